"""What is said to OKX: frames of the private WebSocket, and how anything is signed.

Frames are bytes, made once and sent as they are. Orders name their instrument by
``instIdCode`` over WebSocket and by ``instId`` over REST (okx/calls.py); both are made of
the same `Order`, `Amend` and `Cancel`. Sizes and prices are text from okx/decimals.py and
anything that is not a plain decimal is refused here, before OKX does.

The secret is never seen: it lies in an ``hmac`` object that is copied for each signature.
Source: OKX API v5, "WebSocket / Trade" and "REST Authentication", read 2026-08.
Layer 2. Pure: time, ids and key are arguments.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from livekit.errors import ConfigError
from livekit.okx.decimals import is_plain

__all__ = [
    "BATCH_OPS",
    "MAX_BATCH",
    "OPS",
    "PING",
    "PRIVATE_CHANNELS",
    "Amend",
    "Cancel",
    "Order",
    "OrderArgs",
    "check_op",
    "fields_of",
    "iso_time",
    "login",
    "mass_cancel",
    "order_op",
    "sign",
    "sign_text",
    "subscribe",
    "unsubscribe",
]

PING: Final = b"ping"
"""The text frame that keeps a connection; answered by ``pong``."""

MAX_BATCH: Final = 20
"""The most orders one batch takes."""

PRIVATE_CHANNELS: Final[tuple[dict[str, str], ...]] = (
    {"channel": "orders", "instType": "ANY"},
    {"channel": "account", "extraParams": '{"updateInterval":"0"}'},
    {"channel": "positions", "instType": "ANY", "extraParams": '{"updateInterval":"0"}'},
    {"channel": "balance_and_position"},
)
"""What an account is followed by; intervals of 0 turn the regular pushes off."""

_ORDER_TYPES: Final = frozenset({"market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc"})
_TRADE_MODES: Final = frozenset({"cash", "cross", "isolated"})
_POSITION_SIDES: Final = frozenset({"", "net", "long", "short"})
_SIZE_UNITS: Final = frozenset({"", "base_ccy", "quote_ccy"})
_STP_MODES: Final = frozenset({"", "cancel_maker", "cancel_taker", "cancel_both"})
_UNPRICED: Final = frozenset({"market", "optimal_limit_ioc"})
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_ORDER_ID: Final = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Order:
    """A new order.

    Attributes
    ----------
    symbol : str
        ``instId``, for REST.
    code : int or None
        ``instIdCode`` of the same environment, for WebSocket; None sends it over REST only.
    side : str
        ``buy`` or ``sell``.
    kind : str
        ``limit``, ``market``, ``post_only``, ``ioc``, ``fok`` or ``optimal_limit_ioc``.
    size, price : str
        Plain decimals; a market order has no price. Contracts, or base units for spot.
    trade_mode : str
        ``cash``, ``cross`` or ``isolated``: PROTOCOL's rule by account level is the caller's.
    size_unit : str
        ``tgtCcy``: a spot market order in base units says ``base_ccy``, or OKX takes a
        buy's size as quote.
    """

    symbol: str
    code: int | None
    side: str
    kind: str
    size: str
    price: str = ""
    trade_mode: str = "cash"
    client_id: str = ""
    tag: str = ""
    position_side: str = ""
    is_reduce_only: bool = False
    size_unit: str = ""
    currency: str = ""
    stp_mode: str = ""

    def __post_init__(self) -> None:
        """Refuse what OKX would."""
        _one_of("side", self.side, {"buy", "sell"})
        _one_of("order type", self.kind, _ORDER_TYPES)
        _one_of("trade mode", self.trade_mode, _TRADE_MODES)
        _one_of("position side", self.position_side, _POSITION_SIDES)
        _one_of("size unit", self.size_unit, _SIZE_UNITS)
        _one_of("self-trade prevention", self.stp_mode, _STP_MODES)
        _decimal("size", self.size)
        if self.kind in _UNPRICED:
            if self.price:
                raise ConfigError(f"a {self.kind} order has price {self.price!r}; leave it out")
        else:
            _decimal("price", self.price)
        _identity("client order id", self.client_id, optional=True)
        _identity("tag", self.tag, optional=True, length=16)


@dataclass(frozen=True, slots=True)
class Amend:
    """A change of an order; `size` is the total including what is already filled."""

    symbol: str
    code: int | None
    order_id: str = ""
    client_id: str = ""
    size: str = ""
    price: str = ""
    request_id: str = ""
    ends_on_failure: bool = False

    def __post_init__(self) -> None:
        """Refuse what OKX would."""
        _which(self.order_id, self.client_id)
        if not (self.size or self.price):
            raise ConfigError("an amendment has neither size nor price; give one of them")
        for name, value in (("size", self.size), ("price", self.price)):
            if value:
                _decimal(name, value)
        _identity("amendment id", self.request_id, optional=True)


@dataclass(frozen=True, slots=True)
class Cancel:
    """The end of an order, by its own id or by ours."""

    symbol: str
    code: int | None
    order_id: str = ""
    client_id: str = ""

    def __post_init__(self) -> None:
        """Refuse what OKX would."""
        _which(self.order_id, self.client_id)


OrderArgs = Order | Amend | Cancel

OPS: Final[dict[str, type[Order] | type[Amend] | type[Cancel]]] = {
    "order": Order,
    "batch-orders": Order,
    "amend-order": Amend,
    "batch-amend-orders": Amend,
    "cancel-order": Cancel,
    "batch-cancel-orders": Cancel,
}
"""What each operation is made of."""

BATCH_OPS: Final = frozenset({"batch-orders", "batch-amend-orders", "batch-cancel-orders"})


def login(key: str, passphrase: str, sign_it: Callable[[str], str], ts_s: int) -> bytes:
    """Return the login frame; `sign_it` signs a text, `ts_s` is the server's time in seconds."""
    ts = str(int(ts_s))
    row = {
        "apiKey": key,
        "passphrase": passphrase,
        "timestamp": ts,
        "sign": sign_it(f"{ts}GET/users/self/verify"),
    }
    return msgspec.json.encode({"op": "login", "args": [row]})


def subscribe(args: Sequence[Mapping[str, str]], request_id: str = "") -> bytes:
    """Return the frame that subscribes to channels; one at a time where each answer matters."""
    return _subscription("subscribe", args, request_id)


def unsubscribe(args: Sequence[Mapping[str, str]], request_id: str = "") -> bytes:
    """Return the frame that ends subscriptions."""
    return _subscription("unsubscribe", args, request_id)


def _subscription(op: str, args: Sequence[Mapping[str, str]], request_id: str) -> bytes:
    if not args:
        raise ConfigError(f"{op} names no channel; give at least one")
    _identity("request id", request_id, optional=True)
    head: dict[str, Any] = {"id": request_id} if request_id else {}
    return msgspec.json.encode(head | {"op": op, "args": [dict(one) for one in args]})


def order_op(
    request_id: str, op: str, args: Sequence[OrderArgs], expire_ms: int | None = None
) -> bytes:
    """Return the frame of an order operation.

    Parameters
    ----------
    request_id : str
        1 to 32 letters and digits, unlike those of other requests without an answer.
    op : str
        One of `OPS`.
    args : sequence of Order, Amend or Cancel
        One, or up to 20 for a batch.
    expire_ms : int, optional
        Server's time after which OKX drops the request; not for cancels.

    Raises
    ------
    ConfigError
        An argument is not one OKX would take, or an instrument has no code.
    """
    _identity("request id", request_id)
    check_op(op, args, expire_ms)
    frame: dict[str, Any] = {"id": request_id, "op": op, "args": [_coded(one) for one in args]}
    if expire_ms is not None:
        frame["expTime"] = str(expire_ms)
    return msgspec.json.encode(frame)


def mass_cancel(request_id: str, family: str, lock_ms: int | None = None) -> bytes:
    """Return the frame that cancels every market-maker order of an option family."""
    _identity("request id", request_id)
    args = {"instType": "OPTION", "instFamily": family}
    if lock_ms is not None:
        if not 0 <= lock_ms <= 10_000:
            raise ConfigError(f"lock is {lock_ms!r} ms, expected 0 to 10000")
        args["lockInterval"] = str(lock_ms)
    return msgspec.json.encode({"id": request_id, "op": "mass-cancel", "args": [args]})


def check_op(op: str, args: Sequence[OrderArgs], expire_ms: int | None) -> None:
    """Refuse an operation whose arguments are of another kind or number."""
    kind = OPS.get(op)
    if kind is None:
        raise ConfigError(f"operation {op!r} is unknown; use {', '.join(OPS)}")
    most = MAX_BATCH if op in BATCH_OPS else 1
    if not 1 <= len(args) <= most:
        raise ConfigError(f"{op} has {len(args)} orders, expected 1 to {most}; split the batch")
    if not all(isinstance(one, kind) for one in args):
        raise ConfigError(f"{op} takes arguments of {kind.__name__} only")
    if expire_ms is not None and (kind is Cancel or expire_ms <= 0):
        raise ConfigError(f"expiry {expire_ms!r} of {op} is not one; cancels have none")


def fields_of(one: OrderArgs) -> dict[str, Any]:
    """Return an operation's fields in OKX's names, all but the instrument's."""
    if isinstance(one, Cancel):
        return _filled({"ordId": one.order_id, "clOrdId": one.client_id})
    if isinstance(one, Amend):
        named = {"ordId": one.order_id, "clOrdId": one.client_id, "reqId": one.request_id}
        fields = _filled(named | {"newSz": one.size, "newPx": one.price})
        return fields | ({"cxlOnFail": True} if one.ends_on_failure else {})
    fields = _filled(
        {
            "tdMode": one.trade_mode,
            "side": one.side,
            "ordType": one.kind,
            "sz": one.size,
            "px": one.price,
            "clOrdId": one.client_id,
            "tag": one.tag,
            "posSide": one.position_side,
            "tgtCcy": one.size_unit,
            "ccy": one.currency,
            "stpMode": one.stp_mode,
        }
    )
    return fields | ({"reduceOnly": True} if one.is_reduce_only else {})


def sign(secret: hmac.HMAC, ts: str, method: str, path: str, body: bytes = b"") -> str:
    """Return the signature of a REST call: time, method, path with query, and exact body."""
    mac = secret.copy()
    mac.update(f"{ts}{method.upper()}{path}".encode())
    mac.update(body)
    return base64.b64encode(mac.digest()).decode()


def sign_text(secret: hmac.HMAC, text: str) -> str:
    """Return the signature of a text, as `login` needs it."""
    mac = secret.copy()
    mac.update(text.encode())
    return base64.b64encode(mac.digest()).decode()


def iso_time(now_ms: int) -> str:
    """Return a time as REST signs it: ISO 8601 in UTC with exactly three decimals and Z."""
    return str(np.datetime_as_string(np.datetime64(int(now_ms), "ms"), timezone="UTC"))


def _coded(one: OrderArgs) -> dict[str, Any]:
    if one.code is None:
        raise ConfigError(
            f"instrument {one.symbol!r} has no instIdCode; send its orders over REST, or reload "
            "the instruments of this environment"
        )
    return {"instIdCode": int(one.code)} | fields_of(one)


def _filled(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _one_of(name: str, value: str, allowed: frozenset[str] | set[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} {value!r} is unknown; use {', '.join(sorted(allowed - {''}))}")


def _decimal(name: str, text: str) -> None:
    if not is_plain(text):
        raise ConfigError(f"{name} {text!r} is not a plain decimal; write 0.0000001, not 1e-07")


def _identity(name: str, text: str, *, optional: bool = False, length: int = 32) -> None:
    if optional and not text:
        return
    if not _ID.fullmatch(text) or len(text) > length:
        raise ConfigError(f"{name} {text!r} is not one; use 1 to {length} letters and digits")


def _which(order_id: str, client_id: str) -> None:
    if not (order_id or client_id):
        raise ConfigError("neither order id nor client order id is given; give one of them")
    if order_id and not _ORDER_ID.fullmatch(order_id):
        raise ConfigError(f"order id {order_id!r} is not one of the exchange's; use its digits")
    _identity("client order id", client_id, optional=True)
