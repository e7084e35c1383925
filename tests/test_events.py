import numpy as np
import pytest

from livekit import events
from livekit.events import DTYPES, EVENT_BYTES, Kind

HEAD = {
    "kind": (0, "|u1"),
    "flags": (1, "|u1"),
    "instrument": (2, "<u2"),
    "aux": (4, "<u4"),
    "sequence": (8, "<u8"),
    "ts_event": (16, "<i8"),
    "ts_recv": (24, "<i8"),
}
ORDER_HEAD = {
    **{name: HEAD[name] for name in ("kind", "flags", "instrument")},
    "side": (4, "|u1"),
    "order_type": (5, "|u1"),
    "tif": (6, "|u1"),
    "status": (7, "|u1"),
    **{name: HEAD[name] for name in ("sequence", "ts_event", "ts_recv")},
}
LAYOUTS = {
    "HEAD": (32, HEAD),
    "TICKER": (
        64,
        HEAD
        | {
            "last_price": (32, "<f8"),
            "bid_price": (40, "<f8"),
            "ask_price": (48, "<f8"),
            "volume": (56, "<f8"),
        },
    ),
    "QUOTE": (
        64,
        HEAD
        | {
            "bid_price": (32, "<f8"),
            "bid_size": (40, "<f8"),
            "ask_price": (48, "<f8"),
            "ask_size": (56, "<f8"),
        },
    ),
    "TRADE": (
        64,
        HEAD
        | {
            "price": (32, "<f8"),
            "size": (40, "<f8"),
            "trade_id": (48, "<i8"),
            "published": (56, "<u4"),
        },
    ),
    "BOOK": (
        256,
        HEAD
        | {
            "sequence_id": (32, "<i8"),
            "bid_price": (40, "('<f8', (5,))"),
            "bid_size": (80, "('<f8', (5,))"),
            "ask_price": (120, "('<f8', (5,))"),
            "ask_size": (160, "('<f8', (5,))"),
        },
    ),
    "BAR": (
        128,
        HEAD
        | {
            "open": (32, "<f8"),
            "high": (40, "<f8"),
            "low": (48, "<f8"),
            "close": (56, "<f8"),
            "volume": (64, "<f8"),
            "count": (72, "<i8"),
            "period": (80, "<i8"),
        },
    ),
    "ORDER": (
        128,
        ORDER_HEAD
        | {
            "order_id": (32, "<u8"),
            "price": (40, "<f8"),
            "quantity": (48, "<f8"),
            "filled_quantity": (56, "<f8"),
            "average_price": (64, "<f8"),
            "last_price": (72, "<f8"),
            "last_quantity": (80, "<f8"),
            "fee": (88, "<f8"),
            "client_order_id": (96, "|S24"),
            "reject": (120, "<u2"),
            "action": (122, "|u1"),
            "options": (123, "|u1"),
            "published": (124, "<u4"),
        },
    ),
    "TIMER": (64, HEAD | {"timer_id": (32, "<i8"), "period": (40, "<i8")}),
    "GAP": (64, HEAD | {"lost": (32, "('<u4', (8,))")}),
    "CONNECTION": (64, HEAD | {"connected": (32, "<i8")}),
    "PARAMS": (64, HEAD | {"version": (32, "<i8")}),
    "STOP": (64, HEAD | {"reason": (32, "<i8")}),
}


def _name(kind):
    return kind.str if kind.subdtype is None else str((kind.subdtype[0].str, kind.shape))


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_of_an_event_is_exactly_as_published(name):
    dtype = getattr(events, name)
    size, fields = LAYOUTS[name]
    assert dtype.itemsize == size
    assert {f: (at, _name(kind)) for f, (kind, at) in dtype.fields.items()} == fields


def test_every_kind_but_none_has_a_dtype_and_a_pinned_layout():
    assert set(DTYPES) == set(Kind) - {Kind.NONE}
    assert {kind.name for kind in DTYPES} | {"HEAD"} == set(LAYOUTS)


def test_event_sizes_are_multiples_of_a_line_and_fit_the_slot():
    for kind, dtype in DTYPES.items():
        assert dtype.itemsize % 64 == 0
        assert dtype.itemsize <= events.SLOT_BYTES
        assert EVENT_BYTES[kind] == dtype.itemsize
    assert EVENT_BYTES[Kind.NONE] == 0
    assert len(EVENT_BYTES) == 16
    assert not EVENT_BYTES[len(Kind) :].any()


def test_fields_are_naturally_aligned_and_do_not_overlap():
    for dtype in (events.HEAD, *DTYPES.values()):
        end = 0
        for kind, offset in sorted(dtype.fields.values(), key=lambda field: field[1]):
            base = (kind.subdtype or (kind,))[0]
            assert offset >= end
            assert base.kind == "S" or offset % base.itemsize == 0
            end = offset + kind.itemsize
        assert end <= dtype.itemsize


def test_every_event_starts_with_the_head_but_for_the_aux_of_an_order():
    for kind, dtype in DTYPES.items():
        names = set(HEAD) - ({"aux"} if kind is Kind.ORDER else set())
        for name in names:
            assert dtype.fields[name] == events.HEAD.fields[name]


def test_numbers_of_the_source_document_are_kept():
    assert [Kind.NONE, Kind.TICKER, Kind.TRADE, Kind.ORDER, Kind.BOOK] == [0, 1, 2, 3, 4]
    assert [events.Side.BUY, events.Side.SELL] == [0, 1]
    assert [side.sign for side in events.Side] == [1, -1]


def test_gap_counts_every_market_kind():
    (n_kinds,) = events.GAP.fields["lost"][0].shape
    assert all(kind < n_kinds for kind in events.MARKET_KINDS)


def test_dtypes_are_little_endian_on_any_machine():
    record = np.zeros(1, events.TRADE)
    record["price"], record["trade_id"] = 1.0, 258
    data = record.tobytes()
    assert data[32:40] == bytes.fromhex("000000000000f03f")
    assert data[48:50] == b"\x02\x01"
