"""REST calls in use: method, path with query, body as it is signed and sent.

A `Call` is all there is to send; `headers` signs it for a time. Calls of orders are made
of the same `Order`, `Amend` and `Cancel` as frames (okx/requests.py).
Source: OKX API v5, REST reference, read 2026-08.
Layer 2. Pure.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from livekit.errors import ConfigError
from livekit.okx.requests import BATCH_OPS, OrderArgs, check_op, fields_of, iso_time, sign

__all__ = [
    "PATHS",
    "Call",
    "account_config",
    "account_instruments",
    "account_rate_limit",
    "balance",
    "books",
    "cancel_all_after",
    "candles",
    "fills",
    "fills_history",
    "headers",
    "instruments",
    "operation",
    "order",
    "orders_history",
    "orders_pending",
    "positions",
    "public_headers",
    "server_time",
    "set_leverage",
    "system_status",
    "trade_fee",
]

_V5: Final = "/api/v5/"
PATHS: Final = {
    "order": "trade/order",
    "batch-orders": "trade/batch-orders",
    "amend-order": "trade/amend-order",
    "batch-amend-orders": "trade/amend-batch-orders",
    "cancel-order": "trade/cancel-order",
    "batch-cancel-orders": "trade/cancel-batch-orders",
}
"""Path of an order operation below ``/api/v5/``, by its name over WebSocket."""


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call; `expire_ms` becomes the ``expTime`` header."""

    method: str
    path: str
    body: bytes = b""
    expire_ms: int | None = None


def headers(
    call: Call, *, key: str, passphrase: str, secret: hmac.HMAC, now_ms: int, is_demo: bool
) -> dict[str, str]:
    """Return the headers that sign a call at a server's time in ms."""
    ts = iso_time(now_ms)
    return public_headers(call, is_demo=is_demo) | {
        "OK-ACCESS-KEY": key,
        "OK-ACCESS-SIGN": sign(secret, ts, call.method, call.path, call.body),
        "OK-ACCESS-TIMESTAMP": ts,
        "OK-ACCESS-PASSPHRASE": passphrase,
    }


def public_headers(call: Call, *, is_demo: bool) -> dict[str, str]:
    """Return the headers of a call that nobody signs; the demo's data need one too."""
    found = {"Content-Type": "application/json"}
    if is_demo:
        found["x-simulated-trading"] = "1"
    if call.expire_ms is not None:
        found["expTime"] = str(call.expire_ms)
    return found


def operation(op: str, args: Sequence[OrderArgs], expire_ms: int | None = None) -> Call:
    """Return the REST call of an order operation, one of ``requests.OPS``."""
    check_op(op, args, expire_ms)
    rows = [{"instId": one.symbol} | fields_of(one) for one in args]
    return _post(PATHS[op], rows if op in BATCH_OPS else rows[0], expire_ms)


def cancel_all_after(timeout_s: int, tag: str = "") -> Call:
    """Return the call that arms the dead man's switch for 10 to 120 s, or with 0 disarms it."""
    if timeout_s != 0 and not 10 <= timeout_s <= 120:
        raise ConfigError(f"timeout is {timeout_s!r} s, expected 10 to 120, or 0 to disarm")
    body = {"timeOut": str(timeout_s)} | ({"tag": tag} if tag else {})
    return _post("trade/cancel-all-after", body)


def set_leverage(symbol: str, leverage: str, margin_mode: str, position_side: str = "") -> Call:
    """Return the call that sets an instrument's leverage; `leverage` is a plain decimal."""
    body = {"instId": symbol, "lever": leverage, "mgnMode": margin_mode}
    return _post(
        "account/set-leverage", body | ({"posSide": position_side} if position_side else {})
    )


def server_time() -> Call:
    """Return the call for the server's time."""
    return _get("public/time")


def instruments(kind: str, symbol: str = "", family: str = "") -> Call:
    """Return the call for instruments of a type: SPOT, SWAP, FUTURES or OPTION."""
    return _get("public/instruments", instType=kind, instId=symbol, instFamily=family)


def account_instruments(kind: str, symbol: str = "", family: str = "") -> Call:
    """Return the call for the instruments of a type that this account may trade."""
    return _get("account/instruments", instType=kind, instId=symbol, instFamily=family)


def account_config() -> Call:
    """Return the call for the account's mode and the key's rights."""
    return _get("account/config")


def balance(currency: str = "") -> Call:
    """Return the call for balances."""
    return _get("account/balance", ccy=currency)


def positions(kind: str = "", symbol: str = "") -> Call:
    """Return the call for positions."""
    return _get("account/positions", instType=kind, instId=symbol)


def order(symbol: str, order_id: str = "", client_id: str = "") -> Call:
    """Return the call that looks one order up: the tool for unknown outcomes."""
    if not (order_id or client_id):
        raise ConfigError("neither order id nor client order id is given; give one of them")
    return _get("trade/order", instId=symbol, ordId=order_id, clOrdId=client_id)


def orders_pending(kind: str = "", after: str = "", limit: int = 100) -> Call:
    """Return the call for a page of open orders, older than the order `after`."""
    return _get("trade/orders-pending", instType=kind, after=after, limit=str(limit))


def orders_history(kind: str, symbol: str = "", after: str = "", limit: int = 100) -> Call:
    """Return the call for a page of ended orders of 7 days; unfilled cancels stay 2 hours."""
    return _get("trade/orders-history", instType=kind, instId=symbol, after=after, limit=str(limit))


def fills(kind: str = "", symbol: str = "", after: str = "", limit: int = 100) -> Call:
    """Return the call for a page of fills of 3 days, older than the bill `after`."""
    return _get("trade/fills", instType=kind, instId=symbol, after=after, limit=str(limit))


def fills_history(kind: str, symbol: str = "", after: str = "", limit: int = 100) -> Call:
    """Return the call for a page of fills of 3 months, older than the bill `after`."""
    return _get("trade/fills-history", instType=kind, instId=symbol, after=after, limit=str(limit))


def books(symbol: str, depth: int = 400) -> Call:
    """Return the call for a book of 1 to 400 levels."""
    return _get("market/books", instId=symbol, sz=str(depth))


def candles(symbol: str, bar: str = "1m", after: str = "", limit: int = 300) -> Call:
    """Return the call for a page of bars that open before `after` ms, newest first."""
    return _get("market/candles", instId=symbol, bar=bar, after=after, limit=str(limit))


def account_rate_limit() -> Call:
    """Return the call for how many orders the account may send."""
    return _get("trade/account-rate-limit")


def system_status() -> Call:
    """Return the call for maintenance that is scheduled or under way."""
    return _get("system/status")


def trade_fee(kind: str, symbol: str = "", family: str = "") -> Call:
    """Return the call for the account's fees."""
    return _get("account/trade-fee", instType=kind, instId=symbol, instFamily=family)


def _get(path: str, **query: str) -> Call:
    text = urlencode({name: value for name, value in query.items() if value})
    return Call("GET", f"{_V5}{path}?{text}" if text else _V5 + path)


def _post(path: str, body: Any, expire_ms: int | None = None) -> Call:
    return Call("POST", _V5 + path, msgspec.json.encode(body), expire_ms)
