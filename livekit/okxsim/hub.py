"""Who listens to what: subscriptions of all connections, and frames made once for all.

Layer 4. One thread.
"""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import msgspec

from livekit.okxsim.accounts import Account

__all__ = ["Hub", "Listener", "Subscription", "encode", "frame_of"]

_encoder: Final = msgspec.json.Encoder()


def encode(value: Any) -> str:
    """Return a value as JSON text."""
    return _encoder.encode(value).decode()


class Listener(Protocol):
    """A connection, as the hub sees it."""

    account: Account | None

    def push(self, frame: str, channel: str) -> None:
        """Send a frame of a channel."""


class Subscription:
    """One arg of one connection.

    Attributes
    ----------
    arg : dict
        As it came.
    topic : tuple of str
        (channel, instId or instType or account).
    """

    __slots__ = ("arg", "listener", "topic")

    def __init__(self, listener: Listener, arg: dict[str, Any], topic: tuple[str, str]) -> None:
        self.listener, self.arg, self.topic = listener, arg, topic


class Hub:
    """All subscriptions, by topic."""

    def __init__(self) -> None:
        self._topics: dict[tuple[str, str], list[Subscription]] = {}

    def add(self, subscription: Subscription) -> bool:
        """Add a subscription; False when the connection has the same already."""
        known = self._topics.setdefault(subscription.topic, [])
        if any(
            one.listener is subscription.listener and one.arg == subscription.arg for one in known
        ):
            return False
        known.append(subscription)
        return True

    def remove(self, listener: Listener, arg: dict[str, Any] | None = None) -> None:
        """Remove one subscription of a connection, or all."""
        for topic, known in list(self._topics.items()):
            left = [
                one
                for one in known
                if one.listener is not listener or (arg is not None and one.arg != arg)
            ]
            if left:
                self._topics[topic] = left
            else:
                del self._topics[topic]

    def of(self, channel: str, name: str) -> list[Subscription]:
        """Return the subscriptions of a topic."""
        return self._topics.get((channel, name), [])

    def channels(self) -> Iterator[tuple[str, str]]:
        """Iterate over the topics somebody listens to."""
        return iter(list(self._topics))

    def publish(self, channel: str, name: str, data: list[Any], action: str = "") -> None:
        """Send data of a public channel to everybody who listens; made into JSON once."""
        known = self._topics.get((channel, name))
        if not known:
            return
        frame = encode(frame_of({"channel": channel, "instId": name}, data, action))
        for one in known:
            one.listener.push(frame, channel)


def frame_of(arg: dict[str, Any], data: list[Any], action: str = "") -> dict[str, Any]:
    """Return a push."""
    if action:
        return {"arg": arg, "action": action, "data": data}
    return {"arg": arg, "data": data}
