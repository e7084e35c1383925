"""Subscriptions: which channel lives where, what it needs, and what it says first.

Every fourth snapshot, and every candle's, is sent before the acknowledgement, as OKX
does now and then.
Layer 4. One thread.
"""

from typing import TYPE_CHECKING, Any, Final

from livekit.okxsim.channels import PUBLIC_CHANNELS, STREAMS
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.hub import Subscription
from livekit.okxsim.pushes import PRIVATE_CHANNELS
from livekit.okxsim.tape import bar_ms

if TYPE_CHECKING:
    from livekit.okxsim.session import Connection

__all__ = ["subscribe", "unsubscribe"]

_VIP_TIER: Final = 4
_MAX_PER_CHANNEL: Final = 30
_TYPES: Final = {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS", "ANY"}
_BUSINESS_ALGO: Final = frozenset({"orders-algo", "algo-advance", "deposit-info"})
_PRIVATE: Final = PRIVATE_CHANNELS | _BUSINESS_ALGO
_EARLY: Final = 4


def _is_business(channel: str) -> bool:
    """Tell whether a channel lives on /business."""
    if channel.startswith("candle"):
        return bool(bar_ms(channel.removeprefix("candle")))
    return channel == "trades-all" or channel in _BUSINESS_ALGO


def _described(arg: dict[str, Any]) -> str:
    """Return an arg as OKX's error text names it."""
    parts = [f"channel:{arg.get('channel', '')}"]
    parts += [f"{name}:{arg[name]}" for name in ("instId", "instType") if arg.get(name)]
    return ",".join(parts)


def _place_refusal(connection: "Connection", channel: str, arg: dict[str, Any]) -> Refusal | None:
    """Refuse a channel that is not served on this path, or not without a login."""
    kind = connection.kind
    homes = {
        "public": channel in PUBLIC_CHANNELS,
        "private": channel in PRIVATE_CHANNELS,
        "business": _is_business(channel),
    }
    if not homes[kind]:
        return refusal("60018", _described(arg))
    if channel in _PRIVATE and connection.account is None:
        return refusal("60011")
    return None


def _right_refusal(connection: "Connection", channel: str, arg: dict[str, Any]) -> Refusal | None:
    """Refuse what the account's tier, or another subscription of the connection, forbids."""
    needs_tier = channel in {"books50-l2-tbt", "books-l2-tbt", "fills"}
    tier = connection.account.tier if connection.account else 0
    if needs_tier and tier < _VIP_TIER:
        return refusal("64003" if connection.account or channel == "fills" else "60011")
    rivals = ["books", "books50-l2-tbt"] if channel == "books-l2-tbt" else []
    if channel in STREAMS and not rivals:
        rivals = ["books-l2-tbt"]
    name = str(arg.get("instId", ""))
    for rival in rivals:
        if any(one.listener is connection for one in connection.exchange.hub.of(rival, name)):
            return refusal("64004", rival, name)
    return None


def _topic(connection: "Connection", arg: dict[str, Any]) -> tuple[str, str] | Refusal:
    """Return what an arg is about, or why it is about nothing."""
    channel = arg.get("channel")
    if not isinstance(channel, str) or not channel:
        return refusal("60012", "channel")
    refused = _place_refusal(connection, channel, arg) or _right_refusal(connection, channel, arg)
    if refused is not None:
        return refused
    if connection.account is not None and channel in _PRIVATE:
        needs_type = channel in {"orders", "positions"}
        if needs_type and arg.get("instType") not in _TYPES:
            return refusal("60018", _described(arg))
        return channel, connection.account.name
    name = _name_of(connection, channel, arg)
    return refusal("60018", _described(arg)) if name is None else (channel, name)


def _name_of(connection: "Connection", channel: str, arg: dict[str, Any]) -> str | None:
    """Return what a public channel is subscribed for; None for what is not there."""
    if channel == "status":
        return ""
    if channel == "instruments":
        kind = arg.get("instType")
        return str(kind) if kind in _TYPES else None
    listing = connection.exchange.world.by_symbol.get(str(arg.get("instId")))
    if listing is None or (channel == "funding-rate" and not listing.is_swap):
        return None
    return listing.symbol


def subscribe(connection: "Connection", arg: dict[str, Any], request_id: str) -> None:
    """Subscribe to one arg: ack and first data, in one order or the other."""
    exchange = connection.exchange
    topic = _topic(connection, arg)
    if isinstance(topic, Refusal):
        connection.fail(topic, request_id)
        return
    subscription = Subscription(connection, arg, topic)
    exchange.hub.add(subscription)
    connection.n_args += 1
    head = {"id": request_id} if request_id else {}
    ack = {**head, "event": "subscribe", "arg": arg, "connId": connection.connection_id}
    channel = topic[0]
    is_private = channel in PRIVATE_CHANNELS
    is_early = channel.startswith("candle") or (
        exchange.is_quirky and not is_private and connection.n_args % _EARLY == 0
    )
    first = exchange.pushes.snapshot if is_private else exchange.channels.snapshot
    if is_early:
        first(subscription)
    connection.send(ack)
    if is_private:
        _count_connections(connection, channel)
    if not is_early:
        first(subscription)


def _count_connections(connection: "Connection", channel: str) -> None:
    """Say how many connections an account has on a private channel; too many are refused."""
    assert connection.account is not None
    known = connection.exchange.hub.of(channel, connection.account.name)
    n = len({id(one.listener) for one in known})
    is_over = n > _MAX_PER_CHANNEL
    connection.send(
        {
            "event": "channel-conn-count-error" if is_over else "channel-conn-count",
            "channel": channel,
            "connCount": str(n),
            "connId": connection.connection_id,
        }
    )
    if is_over:
        for one in list(known):
            if one.listener is connection:
                connection.exchange.hub.remove(connection, one.arg)


def unsubscribe(connection: "Connection", arg: dict[str, Any], request_id: str) -> None:
    """Unsubscribe one arg."""
    connection.exchange.hub.remove(connection, arg)
    head = {"id": request_id} if request_id else {}
    connection.send(
        {**head, "event": "unsubscribe", "arg": arg, "connId": connection.connection_id}
    )
