"""Requests on their way: which may go now, in which frames, and whose answer is whose.

Several of one kind that wait at a time go as one batch. A new order that is cancelled
before it was sent is never sent; one that could not be sent for two seconds neither.
Layer 4.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from livekit import clock
from livekit.engine.okx.desk import EXPIRE_NS, OrderDesk
from livekit.engine.okx.pace import Pace
from livekit.engine.okx.phrasing import OPERATIONS, OrderFields, Ticket
from livekit.engine.okx.words import Outgoing
from livekit.engine.okx.writing import MAX_TEXT, TICKET, write_request
from livekit.errors import FeedError
from livekit.events import Action, Reject
from livekit.net.framing import FrameBuffer
from livekit.net.rest import Answer
from livekit.okx.calls import PATHS, Call
from livekit.okx.codes import Outcome
from livekit.okx.outcome import (
    Transport,
    advice,
    outcome_in,
    reject_of,
    transport_of_status,
)
from livekit.okx.replies import Reply, parse_reply
from livekit.okx.requests import MAX_BATCH
from livekit.ring.counters import HISTOGRAM_WORDS, observe, percentiles
from livekit.trading.core import TradingCore

__all__ = ["Line", "Outbound"]

_log: Final = logging.getLogger(__name__)

_MS: Final = 1_000_000
_AGAIN_NS: Final = 50 * _MS
_LEAST_LIFE_NS: Final = 200 * _MS
_ORDER: Final = (Action.CANCEL, Action.NEW, Action.MODIFY)
_OPERATIONS: Final = {
    Action.NEW: OPERATIONS[0],
    Action.CANCEL: OPERATIONS[1],
    Action.MODIFY: OPERATIONS[2],
}
_SINGLES: Final = tuple(_OPERATIONS[action][0] for action in sorted(_OPERATIONS))  # by Action
_LOG_EVERY_NS: Final = 1_000_000_000


class Line(Protocol):
    """What takes frames to the exchange."""

    def send(self, frame: bytes) -> None:
        """Send a text."""

    def send_in_place(self, text: FrameBuffer, n: int) -> None:
        """Send the first `n` bytes of a buffer's text."""


class Outbound:
    """What goes to the exchange; see the module.

    Parameters
    ----------
    core : TradingCore
    desk : OrderDesk
    tickets : sequence of Ticket
        By instrument number.
    line : Line
        The private socket.
    submit : callable
        Sends a REST call under a token; False when it was not taken.

    Attributes
    ----------
    offset_ns : int
        How far the exchange's clock is ahead of ours.
    pace : Pace
    is_due : bool
        Whether requests wait that could not go before.
    rest_failures : int
        Requests over REST without an answer, since the last answer.
    """

    def __init__(
        self,
        core: TradingCore,
        desk: OrderDesk,
        tickets: Sequence[Ticket],
        line: Line,
        submit: Callable[[Call, str], bool],
    ) -> None:
        self._desk, self._tickets, self._fields = desk, tickets, OrderFields(core.orders)
        self._line, self._submit = line, submit
        self._rows = np.array([one.row() for one in tickets], TICKET)
        self._core_at, self._rows_at = core.address, int(self._rows.ctypes.data)
        self._text = FrameBuffer(MAX_TEXT)
        self.offset_ns = 0
        self.pace = Pace()
        self._on_way: dict[str, tuple[list[Outgoing], int]] = {}
        self._again_ns = 0
        self._logged_ns: dict[tuple[int, str], int] = {}
        self.rest_failures = 0
        self._n_frames = self._n_rest = 0
        self._write = np.zeros(HISTOGRAM_WORDS, np.int64)
        self._answer = np.zeros(HISTOGRAM_WORDS, np.int64)
        self._write_at, self._answer_at = self._write.ctypes.data, self._answer.ctypes.data

    def warm_up(self) -> None:
        """Compile what an order goes through, before there is one."""
        assert self._desk.is_clear
        write_request(self._core_at, self._rows_at, 0, 0, self._text.address)
        self._text.frame(1)

    @property
    def is_due(self) -> bool:
        """Whether something waits that may be tried again now."""
        return 0 < self._again_ns <= clock.monotonic_ns()

    def send(self, now_ns: int, *, is_line_up: bool) -> None:
        """Send what waits and may go.

        Parameters
        ----------
        now_ns : int
            The engine's wall clock, ns since the epoch.
        is_line_up : bool
            Whether the private socket takes requests; otherwise they go over REST.
        """
        start_ns = clock.monotonic_ns()
        if is_line_up and self._desk.is_clear and self._send_one(now_ns, start_ns):
            return
        held: list[Outgoing] = []
        groups = self._sort(self._desk.take(now_ns), now_ns)
        for action in _ORDER:
            waiting = groups[action]
            if not waiting:
                continue
            single, several = _OPERATIONS[action]
            operation = single if len(waiting) == 1 else several
            going: list[Outgoing] = []
            for one in waiting:
                may_go = self.pace.take(operation, one.instrument, now_ns)
                (going if may_go else held).append(one)
            for first in range(0, len(going), MAX_BATCH):
                chunk = going[first : first + MAX_BATCH]
                held += self._dispatch(operation, chunk, is_line_up=is_line_up)
        if held:
            self._desk.put_back(held)
        self._again_ns = start_ns + _AGAIN_NS if held else 0
        observe(self._write_at, clock.monotonic_ns() - start_ns)

    def _send_one(self, now_ns: int, start_ns: int) -> bool:
        """Send the only request that waits; its frame goes before anything is noted of it.

        False when it is not of the usual form or may not go now; nothing was done.
        """
        serial = self._desk.serial + 1
        expire_ms = (now_ns + EXPIRE_NS + self.offset_ns) // _MS
        text = self._text
        done = write_request(self._core_at, self._rows_at, serial, expire_ms, text.address)
        if done == 0:
            return False
        operation = _SINGLES[done >> 16 & 0xFFFF]
        if not self.pace.take(operation, done >> 32, now_ns):
            return False
        self._line.send_in_place(text, done & 0xFFFF)
        sent_ns = clock.monotonic_ns()
        observe(self._write_at, sent_ns - start_ns)
        going = self._desk.take(now_ns)
        self._on_way[going[0].request_id] = (going, sent_ns)
        self._n_frames += 1
        self._again_ns = 0
        return True

    def _sort(self, going: list[Outgoing], now_ns: int) -> dict[Action, list[Outgoing]]:
        """Sort requests by kind; end those that must not be sent any more."""
        groups: dict[Action, list[Outgoing]] = {action: [] for action in _ORDER}
        ended: set[str] = set()
        if len(going) > 1:
            unsent = {one.client_id for one in going if one.action is Action.NEW}
            ended = {
                one.client_id
                for one in going
                if one.action is Action.CANCEL and one.client_id in unsent
            }
        for one in going:
            if one.client_id in ended:
                if one.action is Action.NEW:
                    self._desk.hear_outcome(one.request_id, Outcome.NOT_SENT, now_ns)
            elif one.action is not Action.CANCEL and now_ns > one.expire_ns - _LEAST_LIFE_NS:
                self._desk.hear_outcome(one.request_id, Outcome.NOT_SENT, now_ns)
                _log.warning("request not sent in time client_id=%s", one.client_id)
            else:
                groups[one.action].append(one)
        return groups

    def _dispatch(
        self, operation: str, chunk: list[Outgoing], *, is_line_up: bool
    ) -> list[Outgoing]:
        """Send one frame or call; return what could not be handed over."""
        has_codes = all(self._tickets[one.instrument].has_code for one in chunk)
        by_code = is_line_up and has_codes
        name = chunk[0].request_id
        rows = ",".join([self._phrase(one, by_code=by_code) for one in chunk])
        expire_ns = min(one.expire_ns for one in chunk)
        expire_ms = (expire_ns + self.offset_ns) // _MS if expire_ns else None
        self._on_way[name] = (chunk, clock.monotonic_ns())
        if by_code:
            tail = f',"expTime":"{expire_ms}"' if expire_ms else ""
            self._line.send(f'{{"id":"{name}","op":"{operation}","args":[{rows}]{tail}}}'.encode())
            self._n_frames += 1
            return []
        body = rows if operation == _OPERATIONS[chunk[0].action][0] else f"[{rows}]"
        if self._submit(
            Call("POST", f"/api/v5/{PATHS[operation]}", body.encode(), expire_ms), name
        ):
            self._n_rest += 1
            return []
        del self._on_way[name]
        return chunk

    def _phrase(self, one: Outgoing, *, by_code: bool) -> str:
        ticket = self._tickets[one.instrument]
        if one.action is Action.CANCEL:
            return ticket.cancel(one.client_id, by_code=by_code)
        if one.action is Action.NEW:
            return ticket.new(self._fields.new(one.row), one.client_id, by_code=by_code)
        changed = self._fields.changed(one.row)
        return ticket.amend(changed, one.client_id, one.request_id, by_code=by_code)

    # What comes back.

    def hear(self, reply: Reply, now_ns: int, read_ns: int = 0) -> None:
        """Take the answer to a frame; `read_ns` is CLOCK_MONOTONIC of its read."""
        found = self._on_way.pop(reply.request_id, None)
        if found is None:
            return
        chunk, sent_ns = found
        if read_ns:
            observe(self._answer_at, max(0, read_ns - sent_ns))
        self._settle(chunk, reply, Transport.ANSWERED, now_ns)

    def hear_rest(self, answer: Answer, now_ns: int) -> None:
        """Take the answer to a call of orders."""
        found = self._on_way.pop(answer.token, None)
        if found is None:
            return
        chunk, _ = found
        transport = transport_of_status(answer.status)
        reply = Reply("", "", "", "", [], 0, 0)
        if transport is Transport.ANSWERED:
            try:
                reply = parse_reply(answer.body)
            except FeedError as error:
                transport = Transport.MALFORMED
                _log.warning("answer to orders not understood: %s", error)
        self.rest_failures = 0 if transport is Transport.ANSWERED else self.rest_failures + 1
        self._settle(chunk, reply, transport, now_ns)
        for one in chunk:
            self._desk.ask(one.client_id, now_ns)  # nobody may have pushed what it did

    def lose(self, now_ns: int) -> None:
        """Take the loss of the socket: nobody knows what became of what was sent on it."""
        self._on_way.clear()
        self._desk.lose(now_ns)

    def _settle(
        self, chunk: list[Outgoing], reply: Reply, transport: Transport, now_ns: int
    ) -> None:
        for one in chunk:
            outcome = outcome_in(reply, one.client_id, transport)
            if outcome is Outcome.ACCEPTED:
                self._desk.hear_outcome(one.request_id, outcome, now_ns)
                continue
            code, text, sub_code = _words(reply, one.client_id)
            self._log(one, outcome, code, text, sub_code)
            reject = reject_of(code) if outcome is Outcome.REJECTED else Reject.VENUE
            self._desk.hear_outcome(one.request_id, outcome, now_ns, reject)

    def _log(self, one: Outgoing, outcome: Outcome, code: str, text: str, sub_code: str) -> None:
        """Say what an order was refused for, each code of an instrument once a second."""
        now_ns = clock.monotonic_ns()
        key = (one.instrument, code)
        if now_ns - self._logged_ns.get(key, -_LOG_EVERY_NS) < _LOG_EVERY_NS:
            return
        self._logged_ns[key] = now_ns
        symbol = self._tickets[one.instrument].symbol
        _log.warning(
            "%s %s symbol=%s client_id=%s code=%s %r: %s",
            one.action.name.lower(),
            outcome.value,
            symbol,
            one.client_id,
            code or "none",
            text,
            advice(code, sub_code) if code else "what became of it is being looked up",
        )

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows of what went out."""
        return {
            "frames": self._n_frames,
            "rest_calls": self._n_rest,
            "held_by_pace": self.pace.n_held,
            "order_to_socket_ns": percentiles(self._write),
            "socket_to_ack_ns": percentiles(self._answer),
        }


def _words(reply: Reply, client_id: str) -> tuple[str, str, str]:
    """Return code, text and sub-code of what a reply says of an order."""
    for item in reply.items:
        if item.client_id == client_id or (len(reply.items) == 1 and not item.client_id):
            return item.code, item.text, item.sub_code
    return reply.code, reply.text, ""
