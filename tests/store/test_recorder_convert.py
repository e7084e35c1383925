"""Parts become the catalog: every kind, day and symbol, whatever fails in between."""

import errno
import os

import numpy as np
import pytest

import livekit.store.recorder_convert as convert
from livekit.errors import DataError
from livekit.events import ANY_INSTRUMENT, DTYPES, Kind
from livekit.instruments import Instrument
from livekit.research.data import load
from livekit.ring.layout import aligned_zeros
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.partial import note_partial_days, partial_days
from livekit.store.recorder_convert import convert_part, convert_parts, note_interruption
from livekit.store.recorder_log import (
    FRAME_BYTES,
    PartHeader,
    PartWriter,
    parts_of,
    recording_folder,
)
from livekit.store.replay import Replay

DAY = "2026-01-05"
START = 1_767_571_200_000_000_000
DAY_NS = 86_400_000_000_000
SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT"]


def event(kind, number=0, at=0, sequence=0, **fields):
    row = np.zeros(1, DTYPES[kind])
    row["kind"], row["instrument"], row["sequence"] = int(kind), number, sequence
    row["ts_recv"], row["ts_event"] = START + at, START + at - 5
    if kind == Kind.TRADE:
        row["price"], row["size"], row["trade_id"] = 100.0, 1.0, sequence + 1
        row["published"] = 77
    if kind == Kind.QUOTE:
        row["bid_price"], row["ask_price"] = 99.0, 100.0
        row["bid_size"] = row["ask_size"] = 1.0
        row["aux"] = 77
    for name, value in fields.items():
        row[name] = value
    return row.tobytes()


def ring_gap(**lost):
    """Return a GAP as a full ring makes it: of no instrument, and without a time."""
    row = np.zeros(1, DTYPES[Kind.GAP])
    row["kind"], row["instrument"], row["aux"] = int(Kind.GAP), ANY_INSTRUMENT, 123
    for name, n in lost.items():
        row["lost"][0, int(Kind[name.upper()])] = n
    return row.tobytes()


def write_part(root, frames, *, recorded=("BTC-USDT", "ETH-USDT"), is_partial=False, index=0):
    folder = recording_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    header = PartHeader("okx", SYMBOLS, list(recorded), is_partial)
    writer = PartWriter(folder / f"okx-1-{index:06d}.open", header, START)
    for events in frames:
        data = b"".join(events)
        memory = aligned_zeros(FRAME_BYTES + len(data))
        memory[FRAME_BYTES:] = np.frombuffer(data, np.uint8)
        writer.append(memory, len(data), len(events), START)
    Catalog(root).write_instruments(Instrument(name, 0.1, 0.01, 0.01) for name in recorded)
    return writer.finish()


def read(root, symbol, kind, day=DAY):
    return Catalog(root).read(symbol, kind, day, cache=False)


def test_events_go_to_their_files_in_order(tmp_path):
    part = write_part(
        tmp_path,
        [
            [event(Kind.QUOTE, 0, 10, 1), event(Kind.TRADE, 1, 20, 2)],
            [event(Kind.QUOTE, 0, 5, 0), event(Kind.BOOK, 1, 30, 3)],
        ],
    )
    done = convert_part(tmp_path, part)
    assert done.rows == {"quote": 2, "trade": 1, "book": 1}
    assert (done.n_parts, done.n_rows, done.n_bad_bytes) == (1, 4, 0)
    assert read(tmp_path, "BTC-USDT", Kind.QUOTE)["sequence"].tolist() == [0, 1]
    trade = read(tmp_path, "ETH-USDT", Kind.TRADE)
    assert (trade["trade_id"].tolist(), trade["published"].tolist()) == ([3], [0])
    assert parts_of(tmp_path, with_open=True) == []


def test_days_are_split_at_midnight(tmp_path):
    rows = [event(Kind.QUOTE, 0, DAY_NS - 1, 1), event(Kind.QUOTE, 0, DAY_NS, 2)]
    convert_part(tmp_path, write_part(tmp_path, [rows]))
    assert read(tmp_path, "BTC-USDT", Kind.QUOTE)["sequence"].tolist() == [1]
    assert read(tmp_path, "BTC-USDT", Kind.QUOTE, "2026-01-06")["sequence"].tolist() == [2]


def test_gap_of_a_ring_gets_the_time_of_the_event_behind_it_for_every_symbol(tmp_path):
    rows = [event(Kind.QUOTE, 0, 10, 1), ring_gap(quote=3, trade=2), event(Kind.QUOTE, 1, 50, 7)]
    convert_part(tmp_path, write_part(tmp_path, [rows]))
    for symbol in ("BTC-USDT", "ETH-USDT"):
        (gap,) = read(tmp_path, symbol, Kind.GAP)
        assert (gap["ts_recv"], gap["ts_event"], gap["sequence"]) == (START + 50, START + 45, 7)
        assert gap["lost"].tolist() == [0, 0, 2, 0, 0, 3, 0, 0]
    found = [one for one in check(tmp_path)[1] if one.what == "gap"]
    assert len(found) == 2
    assert [gap["lost"] for gap in load(tmp_path, ["ETH-USDT"]).gaps()] == [
        {"trade": 2, "quote": 3}
    ]


@pytest.mark.parametrize("before", [[], [event(Kind.QUOTE, 0, 10, 1)]])
def test_gap_at_the_end_has_the_time_of_what_came_before(tmp_path, before):
    convert_part(tmp_path, write_part(tmp_path, [[*before, ring_gap(quote=1)]]))
    (gap,) = read(tmp_path, "BTC-USDT", Kind.GAP)
    assert gap["ts_recv"] == (START + 10 if before else START)


def test_gap_between_two_frames_is_stamped_across_them(tmp_path):
    frames = [[ring_gap(quote=1)], [event(Kind.QUOTE, 0, 10, 1)]]
    convert_part(tmp_path, write_part(tmp_path, frames))
    assert read(tmp_path, "BTC-USDT", Kind.GAP)["ts_recv"].tolist() == [START + 10]


def test_lost_connection_is_recorded_found_and_replayed(tmp_path):
    rows = [
        event(Kind.QUOTE, 0, 10, 1),
        event(Kind.CONNECTION, ANY_INSTRUMENT, 20, 2, connected=0),
        event(Kind.CONNECTION, ANY_INSTRUMENT, 30, 3, connected=1),
        event(Kind.QUOTE, 0, 40, 4),
    ]
    part = write_part(tmp_path, [rows], recorded=["BTC-USDT"])
    convert_part(tmp_path, part)
    assert read(tmp_path, "BTC-USDT", Kind.CONNECTION)["connected"].tolist() == [0, 1]
    assert [(one.what, one.count) for one in check(tmp_path)[1]] == [("connection", 1)]
    replay, slots = Replay(tmp_path), aligned_zeros(10 * 256).reshape(10, 256)
    assert replay.next_batch(slots, 10) == 4
    kinds = [Kind.QUOTE, Kind.CONNECTION, Kind.CONNECTION, Kind.QUOTE]
    assert slots[:4, 0].tolist() == [int(kind) for kind in kinds]


def test_symbols_that_are_not_recorded_and_unknown_numbers_are_left_out(tmp_path, caplog):
    rows = [event(Kind.QUOTE, 2, 10, 1), event(Kind.QUOTE, 9, 20, 2), event(Kind.QUOTE, 0, 30, 3)]
    done = convert_part(tmp_path, write_part(tmp_path, [rows]))
    assert done.rows == {"quote": 1}
    assert "unknown instruments kind=QUOTE numbers={9}" in caplog.text


def test_holes_in_the_numbers_are_a_finding_unless_the_recording_is_partial(tmp_path):
    rows = [event(Kind.QUOTE, 0, 10, 1), event(Kind.QUOTE, 0, 40, 9)]
    for name, is_partial in (("whole", False), ("partial", True)):
        root = tmp_path / name
        convert_part(root, write_part(root, [rows], is_partial=is_partial))
    assert [one.what for one in check(tmp_path / "whole")[1]] == ["sequence"]
    assert check(tmp_path / "partial")[1] == []
    assert partial_days(tmp_path / "partial", "okx") == {DAY}
    note_partial_days(tmp_path / "partial", "okx", ["2026-01-06"])
    assert partial_days(tmp_path / "partial", "okx") == {DAY, "2026-01-06"}


def test_damaged_note_of_partial_days_is_a_finding(tmp_path):
    convert_part(tmp_path, write_part(tmp_path, [[event(Kind.QUOTE, 0, 10, 1)]]))
    (tmp_path / "okx" / "partial_days.json").write_text('{"2026"')
    assert [one.what for one in check(tmp_path)[1]] == ["unreadable"]
    (tmp_path / "okx" / "partial_days.json").write_text('{"2026": 1}')
    with pytest.raises(DataError, match="is not a list of days"):
        partial_days(tmp_path, "okx")


def test_damaged_part_gives_what_can_be_read_and_is_kept(tmp_path):
    frames = [[event(Kind.QUOTE, 0, 10 * i, i)] for i in range(3)]
    part = write_part(tmp_path, frames)
    data = bytearray(part.read_bytes())
    data[-128 - 10] ^= 1  # in the payload of the frame before the last
    part.write_bytes(data)
    done = convert_part(tmp_path, part)
    assert (done.rows, done.n_bad_bytes) == ({"quote": 2}, 128)
    assert read(tmp_path, "BTC-USDT", Kind.QUOTE)["sequence"].tolist() == [0, 2]
    assert [one.name for one in recording_folder(tmp_path).iterdir()] == ["okx-1-000000.bad"]
    assert convert_parts(tmp_path, with_open=True).n_parts == 0


def many(root):
    """Write two parts that make twelve files in all; return the events of each."""
    kinds = (Kind.TICKER, Kind.TRADE, Kind.QUOTE)
    for index in range(2):
        rows = [
            event(kind, number, (index * 8 + i) * DAY_NS // 12, index * 100 + i)
            for i in range(8)
            for kind in kinds
            for number in (0, 1)
        ]
        write_part(root, [rows[:20], rows[20:]], index=index)


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


@pytest.mark.parametrize("call", ["fsync", "rename", "unlink"])
def test_failure_at_any_call_loses_nothing_and_the_next_start_completes(
    runtime_dir, monkeypatch, call
):
    base = runtime_dir  # in memory: hundreds of real syncs of a disk would take a minute
    many(base / "sound")
    assert convert_parts(base / "sound", with_open=True).failures == []
    wanted, n_failed = content(base / "sound"), 0
    for n in range(100):
        root = base / f"{call}-{n}"
        many(root)
        with monkeypatch.context() as patch:
            counts = fail_at(patch, call, n)
            done = convert_parts(root, with_open=True)
        is_over = counts[0] <= n
        n_failed += not is_over
        if not is_over:
            assert len(done.failures) == 1
            assert parts_of(root, with_open=True) or content(root) == wanted
        again = convert_parts(root, with_open=True)
        assert again.failures == []
        assert content(root) == wanted
        n_counted = done.n_rows + again.n_rows
        # A file whose folder could not be synced is there, and was not counted.
        assert n_counted == 96 if call != "fsync" else 80 <= n_counted <= 96
        assert parts_of(root, with_open=True) == []
        if is_over:
            break
    assert n_failed >= {"fsync": 24, "rename": 12, "unlink": 2}[call]


def fail_at(patch, call, n):
    """Let the `n`-th call fail with a full disk; return a list that counts the calls."""
    owner, name = {
        "fsync": ("livekit.store.files.os", "fsync"),
        "rename": ("pathlib.Path", "replace"),
        "unlink": ("pathlib.Path", "unlink"),
    }[call]
    counts = [0]
    real = getattr(os if call == "fsync" else __import__("pathlib").Path, name)

    def attempt(*arguments, **options):
        if call == "unlink" and arguments[0].suffix != ".part":
            return real(*arguments, **options)
        counts[0] += 1
        if counts[0] == n + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **options)

    patch.setattr(f"{owner}.{name}", attempt)
    return counts


def test_large_parts_are_converted_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "_RAW_LIMIT", 100)
    frames = [[event(Kind.QUOTE, 0, 10 * i, i)] for i in range(5)]
    assert convert_part(tmp_path, write_part(tmp_path, frames)).rows == {"quote": 5}
    assert read(tmp_path, "BTC-USDT", Kind.QUOTE)["sequence"].tolist() == [0, 1, 2, 3, 4]


def test_pause_of_a_live_recording_is_a_gap_for_symbols_that_were_recorded(tmp_path):
    header = PartHeader("okx", SYMBOLS, ["BTC-USDT", "ETH-USDT"], is_partial=True)
    recording_folder(tmp_path).mkdir()
    assert note_interruption(tmp_path, header, START) == 0
    assert parts_of(tmp_path, with_open=True) == []
    convert_part(tmp_path, write_part(tmp_path, [[event(Kind.QUOTE, 1, 10, 1)]]))
    assert note_interruption(tmp_path, header, START + 50) == 1
    assert convert_parts(tmp_path, with_open=True).rows == {"gap": 1}
    assert load(tmp_path, ["ETH-USDT"]).gaps() == [
        {"ts": START + 50, "symbol": "ETH-USDT", "lost": {}}
    ]
