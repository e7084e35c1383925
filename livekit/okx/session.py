"""A session with the exchange: one set of subscriptions, kept alive over many connections.

A `Link` is one connection, whose phases follow the table of okx/phases.py. A `Session`
has one link in use and, after the exchange said that it will close this one (notice
64008), a second: that one subscribes, takes over once it is live, and only then is the
first closed. A book found broken is subscribed to again, once at a time.
Times are any monotonic nanoseconds. Source: OKX API v5, "Connect", read 2026-08.
Layer 2. Pure: what to do is returned, when to try again is an argument's to say.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from livekit.okx.messages import BOOK_CHANNELS, Ack, Failure, Notice
from livekit.okx.phases import (
    TABLE,
    Action,
    Alarm,
    Budget,
    Close,
    Down,
    Link,
    Open,
    Phase,
    Send,
    Signal,
    Swap,
    Up,
)
from livekit.okx.subscriptions import Argument

__all__ = ["CONFIGURATION_CLOSES", "Session"]

CONFIGURATION_CLOSES: Final = frozenset({4001, 4003, 4007, 4008, 4009})
"""Close codes that come again as long as nobody changes something."""

_RETRYABLE: Final = frozenset({"60014", "60023", "63999", "64007", "50011", "50001", "50026"})
_UPGRADE: Final = "64008"
_SECOND: Final = 1_000_000_000
_QUIET_NS: Final = 20 * _SECOND
_LATE_NS: Final = 10 * _SECOND
_AGAIN_NS: Final = 2 * _SECOND
_SETTLED_NS: Final = 30 * _SECOND
_MINUTE_NS: Final = 60 * _SECOND
_RESYNCS_A_MINUTE: Final = 5


class Session:
    """One set of subscriptions.

    Parameters
    ----------
    arguments : sequence of Argument
    delay : callable
        Number of an attempt, from 0, to how long to wait before it, ns.
    admit : callable
        Now to when a connection may be made; now or earlier: it may, and was counted.
    make_budget : callable
        Makes the budget of a new connection.
    login : callable, optional
        Returns the login frame; of a session that needs one.

    Attributes
    ----------
    primary : Link
        The link in use.
    spare : Link or None
        The one that will take over.
    n_connects, n_resyncs : int
    """

    def __init__(
        self,
        arguments: Sequence[Argument],
        delay: Callable[[int], int],
        admit: Callable[[int], int],
        make_budget: Callable[[], Budget],
        login: Callable[[], bytes] | None = None,
    ) -> None:
        self.arguments = tuple(arguments)
        self._delay, self._admit = delay, admit
        self._make_budget, self._login = make_budget, login
        self._n_links = self._n_requests = 0
        self.primary = self._new_link(0)
        self.spare: Link | None = None
        self.resyncing: dict[Argument, int] = {}
        self._resynced: dict[Argument, list[int]] = {}
        self._is_up = False
        self.n_connects = self.n_resyncs = 0

    @property
    def links(self) -> tuple[Link, ...]:
        """The link in use and, while there is one, the spare."""
        return (self.primary,) if self.spare is None else (self.primary, self.spare)

    def find(self, number: int) -> Link | None:
        """Return the link of a number; None when it is not one of ours any more."""
        return next((link for link in self.links if link.number == number), None)

    def _new_link(self, now: int) -> Link:
        self._n_links += 1
        return Link(self._n_links - 1, now, self._make_budget())

    # Inputs.

    def tick(self, now: int) -> list[Action]:
        """Look at the time; call it at least once a second."""
        actions: list[Action] = []
        for link in self.links:
            if link.phase is Phase.WAITING and now >= link.due_ns:
                actions += self._connect(link, now)
            elif link.phase in {Phase.CONNECTING, Phase.LOGGING_IN, Phase.SUBSCRIBING}:
                if now - link.since_ns > _LATE_NS:
                    actions += self._cut(link, f"late {link.phase.name.lower()}", now)
            elif link.is_live:
                actions += self._look(link, now)
        for argument, since in list(self.resyncing.items()):
            if now - since > _LATE_NS:
                del self.resyncing[argument]
                actions += self.resync(argument, now)
        return actions

    def retry(self, now: int) -> None:
        """Try again after a failure that somebody has mended."""
        if self.primary.phase is Phase.FAILED:
            self.primary.phase, self.primary.due_ns = Phase.WAITING, now

    def opened(self, number: int, now: int) -> list[Action]:
        """Take note that a link's connection is open."""
        link = self.find(number)
        if link is None:
            return [Close(number, "not wanted any more")]
        if link.phase is not Phase.CONNECTING:
            return []
        link.heard_ns = now
        if self._login is not None:
            self._step(link, Signal.OPENED_FOR_LOGIN, now)
            return [Send(number, self._login())]
        self._step(link, Signal.OPENED, now)
        return self._subscribe(link, now)

    def logged_in(self, number: int, now: int) -> list[Action]:
        """Take note that the exchange took the login of a link."""
        link = self.find(number)
        if link is None or link.phase is not Phase.LOGGING_IN:
            return []
        self._step(link, Signal.READY, now)
        return self._subscribe(link, now)

    def heard(self, link: Link, now: int) -> None:
        """Take note that something arrived on a link."""
        link.heard_ns = now
        if link.phase is Phase.PINGED:
            self._step(link, Signal.HEARD, now)

    def hear(self, number: int, message: Ack | Failure | Notice, now: int) -> list[Action]:
        """Take a message that is about the connection."""
        link = self.find(number)
        if link is None:
            return []
        if isinstance(message, Ack):
            return self._note(link, message.request_id, now)
        if isinstance(message, Failure):
            return self._refuse(link, message, now)
        if message.code == _UPGRADE and link is self.primary and self.spare is None:
            self.spare = self._new_link(now)
            return [Alarm("exchange closes this connection for an upgrade; opening another")]
        return [Alarm(f"notice {message.code}: {message.text}")]

    def seen(self, number: int, argument: Argument, now: int) -> list[Action]:
        """Take data of a subscription for its acknowledgement, which may come later."""
        link = self.find(number)
        if link is None or link.phase is not Phase.SUBSCRIBING:
            return []
        found = [key for key, one in link.pending.items() if one == argument]
        return self._note(link, found[0], now) if found else []

    def restored(self, argument: Argument) -> None:
        """Take note of a book's snapshot: its resubscription is over."""
        self.resyncing.pop(argument, None)

    def closed(self, number: int, code: int, reason: str, now: int) -> list[Action]:
        """Take note that a link's connection has ended."""
        link = self.find(number)
        if link is None:
            return []
        text = f"closed with {code}: {reason}"
        if code in CONFIGURATION_CLOSES:
            return self._fail(link, text, now)
        return self._cut(link, text, now)

    def resync(self, argument: Argument, now: int) -> list[Action]:
        """Subscribe again to a book that is broken, unless that is under way already."""
        link = self.primary
        if argument in self.resyncing or not link.is_live or argument in link.refused:
            return []
        past = [at for at in self._resynced.get(argument, []) if now - at < _MINUTE_NS]
        if len(past) >= _RESYNCS_A_MINUTE or not link.budget.take(now, 2):
            self._resynced.pop(argument, None)
            return self._cut(link, f"{argument.symbol} {argument.channel} broke too often", now)
        self._resynced[argument] = [*past, now]
        self.resyncing[argument] = now
        self.n_resyncs += 1
        return [
            Send(link.number, self._request(b"unsubscribe", argument)[1]),
            Send(link.number, self._request(b"subscribe", argument)[1]),
        ]

    # What they cause.

    def _step(self, link: Link, signal: Signal, now: int) -> None:
        link.phase = TABLE[link.phase, signal]
        link.since_ns = now

    def _connect(self, link: Link, now: int) -> list[Action]:
        admitted = self._admit(now)
        if admitted > now:
            link.due_ns = admitted
            return []
        self._step(link, Signal.DUE, now)
        link.budget = self._make_budget()
        link.pending.clear()
        link.refused.clear()
        link.again.clear()
        self.n_connects += 1
        return [Open(link.number)]

    def _request(self, operation: bytes, argument: Argument) -> tuple[str, bytes]:
        self._n_requests += 1
        name = f"{operation[0]:c}{self._n_requests}"
        return name, b'{"id":"%s","op":"%s","args":[%s]}' % (
            name.encode(),
            operation,
            argument.to_json(),
        )

    def _subscribe(self, link: Link, now: int) -> list[Action]:
        actions = [one for argument in self.arguments for one in self._ask(link, argument, now)]
        return actions or self._note(link, "", now)

    def _ask(self, link: Link, argument: Argument, now: int) -> list[Action]:
        if not link.budget.take(now):
            link.again.append((now + _LATE_NS, argument))
            return []
        name, frame = self._request(b"subscribe", argument)
        link.pending[name] = argument
        return [Send(link.number, frame)]

    def _note(self, link: Link, name: str, now: int) -> list[Action]:
        link.pending.pop(name, None)
        if link.phase is not Phase.SUBSCRIBING or link.pending:
            return []
        if len(link.refused) == len(self.arguments):
            first, text = next(iter(link.refused.items()))
            return self._fail(link, f"{first.channel} of {first.symbol}: {text}", now)
        self._step(link, Signal.READY, now)
        if link is self.primary:
            self._is_up = True
            return [Up(link.number)]
        old, self.primary, self.spare = self.primary, link, None
        self.resyncing.clear()
        was_up, self._is_up = self._is_up, True
        actions: list[Action] = [Swap(old.number, link.number), Close(old.number, "replaced")]
        return actions if was_up else [*actions, Up(link.number)]

    def _refuse(self, link: Link, failure: Failure, now: int) -> list[Action]:
        if link.phase is Phase.LOGGING_IN:
            return self._fail(link, f"login refused: {failure.code} {failure.text}", now)
        names: Iterable[str] = [failure.request_id] if failure.request_id in link.pending else []
        if not names and len(link.pending) == 1:
            names = list(link.pending)
        text = f"{failure.code} {failure.text}".strip()
        for name in names:
            argument = link.pending.pop(name)
            if failure.code in _RETRYABLE:
                link.again.append((now + _AGAIN_NS, argument))
                return self._note(link, name, now)
            link.refused[argument] = text
            what = f"subscription {argument.channel} of {argument.symbol or argument.kind!r}"
            return [Alarm(f"{what} refused: {text}"), *self._note(link, name, now)]
        return [Alarm(f"exchange reports {text}")]

    def _look(self, link: Link, now: int) -> list[Action]:
        """Ping a link that is quiet, end one that does not answer, ask again what is due."""
        actions: list[Action] = []
        if link.attempt and link.phase is Phase.LIVE and now - link.since_ns > _SETTLED_NS:
            link.attempt = 0
        for due, argument in list(link.again):
            if now >= due:
                link.again.remove((due, argument))
                actions += self._ask(link, argument, now)
        quiet = now - max(link.heard_ns, link.since_ns)
        if link.phase is Phase.LIVE and now - link.heard_ns > _QUIET_NS:
            self._step(link, Signal.SILENT, now)
            return [*actions, Send(link.number, b"ping")]
        if link.phase is Phase.PINGED and quiet > _QUIET_NS:
            return [*actions, *self._cut(link, "nothing heard, and no answer to a ping", now)]
        return actions

    def _cut(self, link: Link, reason: str, now: int) -> list[Action]:
        """Let a link begin again later; the spare steps in where it is the one in use."""
        if link.phase in {Phase.WAITING, Phase.FAILED}:
            return []
        self._step(link, Signal.CUT, now)
        link.due_ns = now + self._delay(link.attempt)
        link.attempt += 1
        actions: list[Action] = [Close(link.number, reason)]
        if link is not self.primary:
            return actions
        self.resyncing.clear()
        if self.spare is not None:
            self.primary, self.spare = self.spare, None
        return [*actions, *self._lower(link, reason)]

    def _fail(self, link: Link, reason: str, now: int) -> list[Action]:
        """Give up until somebody has mended what is wrong."""
        self._step(link, Signal.REFUSED, now)
        self.resyncing.clear()
        actions: list[Action] = [
            Close(link.number, reason),
            Alarm(f"connection given up: {reason}"),
        ]
        if link is not self.primary:
            self.spare = None
            return actions
        self.primary, self.spare = self.spare or link, None
        return [*actions, *self._lower(link, reason)]

    def _lower(self, link: Link, reason: str) -> list[Action]:
        was_up, self._is_up = self._is_up, False
        return [Down(link.number, reason)] if was_up else []

    @property
    def books(self) -> list[Argument]:
        """The subscriptions that begin with a snapshot."""
        return [one for one in self.arguments if one.channel in BOOK_CHANNELS]
