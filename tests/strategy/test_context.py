"""The context: where its parts lie, what a settled batch leaves behind, exact positions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import BTC, ETH, INSTRUMENTS, T0, Wires, make_event

from livekit.config import MAX_INSTRUMENTS
from livekit.events import GAP, TRADE, Kind
from livekit.instruments import Instrument
from livekit.ring.layout import aligned_zeros
from livekit.ring.seqlock import params_bytes, publish_params
from livekit.strategy import context
from livekit.strategy.context import Context

PARAMS = np.dtype([("fast", "<f8"), ("n", "<i8")], align=True)
STATE = np.dtype([("ema", "<f8"), ("prices", "<f8", (9,))], align=True)


@pytest.fixture
def wires():
    return Wires(PARAMS, STATE, ("BTC-USDT", "XRP-USDT"))


def test_records_lie_at_constant_distances_from_the_context(wires):
    view = wires.context.view
    assert view["params"] == wires.address + context.params_offset() == wires.address + 512
    assert view["state"] == wires.address + context.state_offset(PARAMS.itemsize)
    assert view["state"] == wires.address + 512 + 64
    assert wires.context.params.ctypes.data == view["params"]
    assert wires.context.state.ctypes.data == view["state"]
    assert wires.context.state_lines == 2


def test_records_without_fields_are_none():
    empty = Wires().context
    assert empty.params is None
    assert empty.state is None
    assert empty.state_lines == 0


def test_symbols_hold_numbers_and_minus_one_for_unknown_ones(wires):
    assert wires.context.symbols.tolist() == [0, -1]


def test_words_and_view_are_the_same_memory(wires):
    wires.context.words[Context.WORD["now"]] = 7
    assert wires.context.view["now"] == 7


def test_begin_event_takes_time_and_published_word(wires):
    event = make_event(Kind.TRADE, ts_event=T0, published=77)
    context.begin_event(wires.address, event.ctypes.data)
    view = wires.context.view
    assert (view["now"], view["published"], view["event"]) == (T0, 77, event.ctypes.data)


def test_begin_event_without_a_time_leaves_now(wires):
    first = make_event(Kind.QUOTE, ts_event=T0, aux=1)
    gap = make_event(Kind.GAP, aux=2)
    context.begin_event(wires.address, first.ctypes.data)
    context.begin_event(wires.address, gap.ctypes.data)
    assert (wires.context.view["now"], wires.context.view["published"]) == (T0, 2)


@pytest.mark.parametrize("kind", [k for k in Kind if k])
def test_published_word_is_found_in_every_kind(kind):
    event = make_event(kind)
    field = "published" if kind in (Kind.TRADE, Kind.ORDER) else "aux"
    if kind == Kind.ORDER:
        event[field] = 123
    else:
        event[field] = 123
    assert context.published_of(event.ctypes.data) == 123
    assert TRADE.fields["published"][1] == 56


def test_finish_batch_counts_measures_and_releases(wires):
    wires.send(Kind.QUOTE, sequence=1)
    wires.send(Kind.TRADE, sequence=2)
    wires.send(Kind.GAP, lost=[0, 3, 4, 0, 5, 0, 0, 0], sequence=3)
    wires.send(Kind.QUOTE, sequence=4)
    _see(wires)
    end = context.finish_batch(wires.address, 3, 0)
    counters = wires.context.counters
    assert counters["received"][[Kind.QUOTE, Kind.TRADE, Kind.GAP]].tolist() == [1, 1, 1]
    assert counters["lost"] == 12
    assert counters["delay"].sum() == 2  # a gap is no market event
    assert counters["busy_ns"] == end > 0
    assert wires.queued == 1
    assert _word(wires, "done") == 3
    assert _word(wires, "heartbeat") == end
    assert GAP.itemsize == 64


def test_finish_batch_of_nothing_beats_and_changes_nothing_else(wires):
    end = context.finish_batch(wires.address, 0, 0)
    assert _word(wires, "heartbeat") == end
    assert wires.context.counters["received"].sum() == 0


def _see(wires):
    """Let the consumer's side learn of the events pushed."""
    from livekit.ring.spsc import available

    assert available(int(wires.context.view["events"])) > 0


def _word(wires, name):
    import ctypes

    return ctypes.c_int64.from_address(int(wires.context.view[name])).value


@given(
    st.sampled_from([1.0, 0.1, 0.01, 0.0001, 0.00001, 0.5, 10.0, 0.003]),
    st.integers(-(10**9), 10**9),
)
def test_position_is_the_nearest_float_to_the_decimal_quantity(lot, lots):
    from fractions import Fraction

    owner = Context(np.dtype([]), np.dtype([]), 0)
    owner.add_instruments([Instrument("X", 0.1, lot, lot)])
    owner.positions[0] = lots
    assert context.position(owner.address, 0) == float(Fraction(repr(lot)) * lots)


@given(st.lists(st.integers(-(10**8), 10**8), min_size=2, max_size=2))
def test_positions_in_units_come_back_as_the_same_lots(lots):
    wires = Wires()
    steps = [instrument.lot for instrument in INSTRUMENTS]
    units = np.zeros(MAX_INSTRUMENTS)
    units[:2] = [count * lot for count, lot in zip(lots, steps, strict=True)]
    wires.context.set_positions(units)
    assert wires.context.positions[:2].tolist() == lots


def test_position_of_an_unknown_instrument_is_zero(wires):
    assert context.position(wires.address, -1) == 0.0
    assert context.position(wires.address, 2) == 0.0
    assert context.position(wires.address, 65535) == 0.0


def test_books_are_remembered_by_instrument_and_start_without_prices(wires):
    rows = wires.context.books
    assert np.isnan(rows[ETH]["bid_price"]).all()
    book = make_event(Kind.BOOK, ETH, bid_price=[5, 4, 3, 2, 1], sequence_id=9)
    context.remember_book(wires.address, book.ctypes.data)
    assert rows[ETH]["bid_price"].tolist() == [5, 4, 3, 2, 1]
    assert rows[ETH]["sequence_id"] == 9
    assert np.isnan(rows[BTC]["bid_price"]).all()


def test_book_row_of_an_unknown_instrument_is_an_empty_one(wires):
    for number in (-1, MAX_INSTRUMENTS, 65535):
        address = context.book_row(wires.address, number)
        assert address == wires.context.books[MAX_INSTRUMENTS:].ctypes.data
    assert np.isnan(wires.context.books[MAX_INSTRUMENTS]["ask_price"]).all()
    garbage = make_event(Kind.BOOK, 65535)
    context.remember_book(wires.address, garbage.ctypes.data)
    assert np.isnan(wires.context.books[MAX_INSTRUMENTS]["ask_price"]).all()


def test_log_line_has_text_values_and_event_time(wires):
    wires.context.view["now"] = T0
    context.log(wires.address, 3, 2, 1.5, -2.0, 0.0, 0.0)
    line = wires.context.logs[0]
    assert (line["text"], line["n"], line["now"]) == (3, 2, T0)
    assert line["values"].tolist() == [1.5, -2.0, 0.0, 0.0]


def test_full_log_ring_loses_new_lines_and_counts_them(wires):
    for number in range(context.LOG_ROWS + 3):
        context.log(wires.address, number, 0, 0.0, 0.0, 0.0, 0.0)
    view = wires.context.view
    assert (view["log_tail"], view["log_lost"]) == (context.LOG_ROWS, 3)
    assert wires.context.logs["text"].tolist() == list(range(context.LOG_ROWS))
    view["log_head"] = 1
    context.log(wires.address, 999, 0, 0.0, 0.0, 0.0, 0.0)
    assert wires.context.logs["text"][0] == 999


def test_fetch_takes_the_newest_parameters_once_there_are_some(wires):
    assert context.fetch(wires.address) == 0
    part = aligned_zeros(params_bytes(PARAMS.itemsize))
    wires.context.view["params_part"] = part.ctypes.data
    wires.context.params[0] = (0.5, 7)
    assert context.fetch(wires.address) == 0
    assert wires.context.params[0].item() == (0.5, 7)
    new = aligned_zeros(64)
    new[: PARAMS.itemsize].view(PARAMS)[0] = (0.25, 9)
    publish_params(part.ctypes.data, new.ctypes.data, 1)
    assert context.fetch(wires.address) == 1
    assert wires.context.params[0].item() == (0.25, 9)
