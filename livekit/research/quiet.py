"""The way past the venue, for stretches in which nothing but callbacks can happen.

While no order is open and nothing is due, the venue only has to know each market once
somebody asks: when the strategy sends a request, at a sample, at the end of the stretch.
So the events the strategy listens to go straight to its callbacks, the others are
passed over, and then the venue is shown the last event of each kind (`catch_up`), which
leaves it exactly as if it had seen all of them: 19 ns an event in place of 30 for the
EMA cross. A ticker changes more or less of a market by what came before it, so data with
tickers does without.
Layer 3. Allocates nothing.
"""

from collections.abc import Sequence
from typing import Final

from livekit.events import HEAD, Kind
from livekit.research.layout import SIM
from livekit.research.queue import LATEST, QUEUE, ROWS, TAGS, WANTED
from livekit.research.steps import event_at
from livekit.ring.jit import hot, inlined, inner
from livekit.ring.memory import load_i64, record, store_i64
from livekit.strategy.compiled.driver import DRIVER, invoke
from livekit.strategy.context import CONTEXT, LOG_ROWS, remember_book
from livekit.trading.router import on_market

__all__ = ["catch_up", "hand_event", "run_quiet", "way_past"]

_MARKET_KINDS: Final = frozenset({Kind.QUOTE, Kind.TRADE, Kind.BOOK})
"""Kinds of which the last event says all."""

_MOST_INSTRUMENTS: Final = 16

_MASK: Final = sum(1 << kind for kind in _MARKET_KINDS)
_BOOK: Final = int(Kind.BOOK)
_CALLBACKS: Final = int(DRIVER.fields["callbacks"][1])  # type: ignore[index]
_HALF_LOG: Final = LOG_ROWS // 2
assert len({kind & 3 for kind in _MARKET_KINDS}) == len(_MARKET_KINDS)


def way_past(streams: Sequence[tuple[int, int]], symbols: Sequence[str]) -> tuple[bool, int]:
    """Tell whether events may pass the venue, and by which keys the last of each is known.

    Parameters
    ----------
    streams : sequence of (instrument, kind)
    symbols : sequence of str
        All that the instruments' numbers stand for.
    """
    may = len(symbols) <= _MOST_INSTRUMENTS and all(kind != Kind.TICKER for _, kind in streams)
    return may, sum({_key_of_market(*one) for one in streams if one[1] in _MARKET_KINDS})


def _key_of_market(instrument: int, kind: int) -> int:
    """Return the bit of a kind of _MARKET_KINDS of an instrument."""
    return 1 << (instrument * 4 + (kind & 3))


_key_of = inner(_key_of_market)


@inlined
def hand_event(sim: int, event: int) -> None:
    """Let a compiled strategy handle a market event it listens to."""
    s = record(SIM, sim)
    context = record(CONTEXT, s.ctx)
    kind = load_i64(event) & 15
    ts_event = record(HEAD, event).ts_event
    context.event = event
    context.now = ts_event if ts_event > 0 else context.now
    if kind == _BOOK and s.uses_book:
        remember_book(s.ctx, event)
    record(DRIVER, s.driver).handled += 1  # also a book that is only kept for `book`
    callback = load_i64(s.driver + _CALLBACKS + kind * 8)
    if callback:
        invoke(callback, s.ctx, event)


@hot
def catch_up(sim: int) -> None:
    """Show the venue the markets as they are after the events that passed it."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    first, index = s.unseen, queue.start
    s.unseen = -1
    if first < 0 or index == first:
        return
    s.position += index - first
    s.now = record(HEAD, load_i64(s.queue + ROWS + (index - 1) * 8)).ts_recv
    missing, n = s.keys, 0
    while index > first and missing:
        index -= 1
        kind = load_i64(load_i64(s.queue + ROWS + index * 8)) & 15
        if (_MASK >> kind) & 1 == 0:
            continue
        key = _key_of(load_i64(s.queue + TAGS + index * 8) >> 1, kind)
        if missing & key:
            missing &= ~key
            store_i64(s.queue + LATEST + n * 8, index)
            n += 1
    while n > 0:  # collected from the last to the first
        n -= 1
        event = event_at(sim, load_i64(s.queue + LATEST + n * 8))
        on_market(s.core, event, record(HEAD, event).ts_recv)


@hot
def run_quiet(sim: int, until: int) -> None:
    """Put events of the block before place `until` through, up to the first request or gate.

    Only while no order is open, and not for a delayed feed. Should a callback raise, the
    caller is to `catch_up` before anything else.
    """
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    context = record(CONTEXT, s.ctx)
    gate, taken, logs = s.gate, s.taken, s.logs
    start, n_wanted, at = queue.start, queue.n_wanted, queue.at
    s.unseen = start
    while at < n_wanted and load_i64(s.queue + WANTED + at * 8) < start:
        at += 1
    place = until
    while at < n_wanted:
        place = load_i64(s.queue + WANTED + at * 8)
        if place >= until:
            break
        event = load_i64(s.queue + ROWS + place * 8)
        if gate < record(HEAD, event).ts_recv:
            break
        if load_i64(s.queue + TAGS + place * 8) > 1:
            event = event_at(sim, place)
        at += 1
        queue.start = place + 1
        hand_event(sim, event)
        if context.sequence != taken:
            break
        if logs and context.log_tail - context.log_head >= _HALF_LOG:
            break
    queue.at = at
    _pass_over(sim, until)
    catch_up(sim)


@inlined
def _pass_over(sim: int, until: int) -> None:
    """Pass over what the strategy does not listen to, if that is all there is up to `until`."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    is_idle = record(CONTEXT, s.ctx).sequence == s.taken and queue.start < until
    if not is_idle:
        return
    last = load_i64(s.queue + ROWS + (until - 1) * 8)
    is_heard = queue.at < queue.n_wanted and load_i64(s.queue + WANTED + queue.at * 8) < until
    if not is_heard and record(HEAD, last).ts_recv <= s.gate:
        queue.start = until
