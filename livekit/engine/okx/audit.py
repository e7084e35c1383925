"""Full books against the exchange's own answer, each about once a minute.

The exchange is asked for a book by REST. From the question on, the frames of the feed are
kept, so that the answer can be brought forward: its levels, and the updates that have a
higher seqId, must give exactly the book that the feed has then. An answer from before the
question decides nothing, and neither does a book that was renewed meanwhile; the next
minute asks again. A book that differs is a fault of ours or of the stream: it gives no
price any more and is subscribed to again.
Source: OKX API v5, "Order book", read 2026-08: an answer carries seqId and may be 50 ms
old. Layer 4.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from livekit.book import OrderBook
from livekit.errors import FeedError
from livekit.net.rest import Answer
from livekit.okx import calls
from livekit.okx.market import Normalizer
from livekit.okx.messages import BookData, BookPush, parse
from livekit.okx.rest import Book, parse_books
from livekit.okx.subscriptions import Argument

__all__ = ["BookAudit", "Listener"]

_log: Final = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
_ROUND_NS: Final = 60 * _SECOND
_LEAST_NS: Final = _SECOND // 4  # four questions a second; the exchange takes twenty
_LATE_NS: Final = 5 * _SECOND
_MAX_FRAMES: Final = 100_000
_PATH: Final = "market/books"


class Listener(Protocol):
    """Who has the frames: `listening` gets every frame from now on, None for none."""

    listening: list[bytes] | None


@dataclass(slots=True)
class _Question:
    """One book that was asked for."""

    argument: Argument
    seq: int
    asked_ns: int
    frames: list[bytes] = field(default_factory=list)
    row: Book | None = None


class BookAudit:
    """Asks, compares and counts; one question at a time.

    Parameters
    ----------
    normalizer : Normalizer
    listener : Listener
    submit : callable
        Sends a call; False when it cannot be sent now.

    Attributes
    ----------
    agreed, differed, undecided : int
    """

    def __init__(
        self, normalizer: Normalizer, listener: Listener, submit: Callable[[calls.Call], bool]
    ) -> None:
        self._normalizer, self._listener, self._submit = normalizer, listener, submit
        self._question: _Question | None = None
        self._next, self._due_ns = 0, 0
        self.agreed = self.differed = self.undecided = 0

    def look(self, now_ns: int, books: Sequence[Argument]) -> Argument | None:
        """Ask for the next of some live books when it is time; return one that differs.

        Parameters
        ----------
        now_ns : int
            CLOCK_MONOTONIC.
        books : sequence of Argument
            Those that may be read now.
        """
        question = self._question
        if question is not None:
            return self._judge(question, now_ns)
        if not books or now_ns < self._due_ns:
            return None
        first = self._due_ns == 0
        self._due_ns = now_ns + max(_LEAST_NS, _ROUND_NS // len(books))
        if first:
            return None  # a book that has only just come is left alone
        self._next = (self._next + 1) % len(books)
        argument = books[self._next]
        seq = self._normalizer.sequence(argument.symbol, argument.channel)
        depth = 50 if "50" in argument.channel else 400
        if seq is not None and self._submit(calls.books(argument.symbol, depth)):
            self._question = _Question(argument, seq, now_ns)
            self._listener.listening = self._question.frames
        return None

    @staticmethod
    def is_answer(answer: Answer) -> bool:
        """Tell whether an answer is to a question of an audit."""
        return _PATH in str(answer.token)

    def hear(self, answer: Answer) -> None:
        """Take the exchange's answer."""
        question = self._question
        if question is None:
            return
        try:
            question.row = parse_books(answer.body)
        except FeedError as error:
            _log.warning("book not audited status=%d: %s", answer.status, error)
        if question.row is None or question.row.seqId is None:
            self._leave()

    def _leave(self) -> None:
        """Give a question up, undecided."""
        self.undecided += 1
        self._end()

    def _end(self) -> None:
        self._question, self._listener.listening = None, None

    def _judge(self, question: _Question, now_ns: int) -> Argument | None:
        """Compare, once the answer is there and the feed has come as far."""
        argument, row = question.argument, question.row
        seq = self._normalizer.sequence(argument.symbol, argument.channel)
        is_late = now_ns - question.asked_ns > _LATE_NS
        if seq is None or seq < question.seq or len(question.frames) > _MAX_FRAMES:
            self._leave()  # renewed meanwhile, or too much came
        elif row is None or row.seqId is None:
            if is_late:
                self._leave()
        elif row.seqId < question.seq:
            self._leave()  # from before the question
        elif row.seqId <= seq or is_late:  # else it is ahead of the feed, for a while
            return self._compare(question, row, is_behind=row.seqId > seq)
        return None

    def _compare(self, question: _Question, row: Book, *, is_behind: bool) -> Argument | None:
        """Compare the book with the answer brought forward; return what differs."""
        argument = question.argument
        book = self._brought_forward(question, row)
        if book is None:
            self._leave()
            return None
        self._end()
        own = self._normalizer.book(argument.symbol, argument.channel)
        assert own is not None
        if not is_behind and all(
            np.array_equal(own.levels(side), book.levels(side)) for side in (0, 1)
        ):
            self.agreed += 1
            return None
        self.differed += 1
        what = (argument.symbol, argument.channel, row.seqId)
        _log.error("book differs from the exchange's symbol=%s channel=%s seq_id=%s", *what)
        return argument

    @staticmethod
    def _brought_forward(question: _Question, row: Book) -> OrderBook | None:
        """Apply to the answer what came behind it; None when the book was renewed meanwhile."""
        book, argument = OrderBook(), question.argument
        _set(book, row)
        assert row.seqId is not None
        for frame in question.frames:
            try:
                message = parse(frame)
            except FeedError:
                continue  # the feed refused it as well
            if not isinstance(message, BookPush) or message.symbol != argument.symbol:
                continue
            if message.channel != argument.channel:
                continue
            for update in message.rows:
                if message.is_snapshot or update.seqId is None or update.prevSeqId is None:
                    return None
                if update.seqId < update.prevSeqId:
                    return None  # the counter began anew
                if update.seqId > row.seqId:
                    _set(book, update)
        return book

    def describe(self) -> dict[str, int]:
        """Return what ``livekit status`` shows."""
        return {
            "agreed": self.agreed,
            "differed": self.differed,
            "undecided": self.undecided,
        }


def _set(book: OrderBook, row: Book | BookData) -> None:
    for side, levels in enumerate((row.bids, row.asks)):
        book.apply(side, np.array([(level.price, level.size) for level in levels]))
