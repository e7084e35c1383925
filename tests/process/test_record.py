"""``livekit record`` as a user runs it: what it writes, what it refuses, and how it ends.

Injected: nothing; SIGINT; another recorder; an engine stopped and killed; a reader that
is stopped until its ring is full. Checked: the catalog to the byte, the printed JSON, the
exit code and its sentence.
"""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from engines import DAY, START_NS, SYMBOLS, eventually, n_events, row, status
from recorders import Recorder, files_of, keys_of, record, rows_of

import livekit as lk
from livekit.config import state_root
from livekit.engine.folder import sweep
from livekit.engine.launch import stop_engine
from livekit.events import QUOTE, Kind
from livekit.instruments import Instrument
from livekit.research.data import load
from livekit.store.catalog import Catalog
from livekit.store.check import check

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
OWN = ("--source", "replay")


@pytest.fixture
def own(runtime_dir, recording):
    """Give the options of a recorder that starts its own replay; nothing may be left of it."""
    yield (*OWN, "--data", str(recording))
    sweep()
    assert list(runtime_dir.iterdir()) == []


@pytest.fixture
def start(engine, tmp_path):
    """Give a function that starts a recorder of the engine ``main``; end what is left."""
    started = []

    def make(*options, out=tmp_path / "out", **how):
        started.append(Recorder(out, *options, **how))
        return started[-1]

    yield make
    for one in started:
        one.close()


def faults(root):
    return [(one.what, one.count) for one in check(root)[1]]


def test_recorded_replay_is_the_original_to_the_byte_and_backtests_alike(own, recording, tmp_path):
    code, said, _ = record(tmp_path / "out", *own, own=True)
    assert code == 0
    assert said["events"] == n_events()
    assert said["gaps"] == said["lost"] == 0
    assert said["catalog"]["rows"] == {"quote": 8000, "trade": 800, "ticker": 800}
    assert files_of(tmp_path / "out") == files_of(recording)
    assert faults(tmp_path / "out") == faults(recording)
    first, second = (
        lk.backtest(ROOT / "strategies" / "momentum.py", load(root))
        for root in (recording, tmp_path / "out")
    )
    assert first.hash == second.hash
    assert first.meta["data"]["hash"] == second.meta["data"]["hash"]


def test_recorded_twice_into_one_folder_nothing_is_doubled(own, recording, tmp_path):
    record(tmp_path / "out", *own, own=True)
    code, said, _ = record(tmp_path / "out", *own, own=True)
    assert code == 0
    assert sum(said["catalog"]["rows"].values()) == 0
    assert files_of(tmp_path / "out") == files_of(recording)


def test_rotation_by_size_gives_the_same_files(own, recording, tmp_path):
    code, said, _ = record(tmp_path / "out", *own, "--rotate-mb", "0.05", own=True)
    assert code == 0
    assert said["catalog"]["parts"] > 3
    assert files_of(tmp_path / "out") == files_of(recording)


def test_symbols_and_channels_choose_what_is_recorded(own, recording, tmp_path):
    options = ("--symbols", "ETH-USDT", "--channels", "trades,tickers")
    code, _, _ = record(tmp_path / "out", *own, *options, own=True)
    assert code == 0
    assert keys_of(tmp_path / "out") == [
        ("ETH-USDT", Kind.TICKER, DAY),
        ("ETH-USDT", Kind.TRADE, DAY),
    ]
    for key in keys_of(tmp_path / "out"):
        assert rows_of(tmp_path / "out", key) == rows_of(recording, key)
    # The engine's numbers have holes here, and that is no loss.
    assert check(tmp_path / "out")[1] == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--channels", "trades,orders"), 4, "channel 'orders' cannot be recorded; use some of"),
        (("--channels", ""), 4, "channel '' cannot be recorded"),
        (("--duration", "soon"), 4, "duration 'soon' is not a time, expected one such as 60s"),
        (("--duration", "0s"), 4, "duration '0s' is not a time"),
        (("--rotate-mb", "0"), 4, "size of a part is 0 MB, expected 0.01 to 4096"),
        (("--raw",), 4, "a replay has no raw frames; leave out --raw"),
        (("--symbols", "DOGE-USDT"), 2, "symbol 'DOGE-USDT' is not recorded in"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_a_sentence(own, tmp_path, options, code, words):
    found, said, _ = record(tmp_path / "out", *own, *options, own=True)
    assert found == code
    assert words in said["error"]["message"]


def test_without_an_engine_and_a_source_nothing_runs(runtime_dir, tmp_path):
    code, said, _ = record(tmp_path / "out")
    assert code == 3
    assert "engine 'main' is not running" in said["error"]["message"]


def test_unknown_symbol_of_a_running_engine_is_refused(engine, start):
    engine(speed="1")
    code, said, _ = start("--symbols", "DOGE-USDT").result()
    assert code == 4
    assert "symbol 'DOGE-USDT' is not served by engine 'main'" in said["error"]["message"]


def test_options_that_contradict_a_running_engine_are_refused(engine, start):
    engine(speed="1")
    for options, words in (
        (("--source", "okx"), "engine 'main' runs with source 'replay', not 'okx'"),
        (
            ("--data", "elsewhere"),
            "engine 'main' runs already, as it was started; leave out --data",
        ),
        (("--env", "sim"), "leave out --env, or give another --engine"),
        (("--speed", "10"), "leave out --speed, or give another --engine"),
        (("--raw",), "raw frames are kept by the engine's own feed"),
    ):
        code, said, _ = start(*options).result()
        assert code == 4
        assert words in said["error"]["message"]


def test_two_recorders_of_one_folder_are_refused(engine, start):
    engine(speed="1")
    first = start()
    first.recording()
    code, said, _ = start("--name", "second").result()
    assert code == 4
    words = f"is being recorded into by process {first.process.pid}; stop that recorder"
    assert words in said["error"]["message"]
    assert first.interrupt()[0] == 0


def test_ctrl_c_keeps_everything_and_ends_cleanly(engine, start, recording, tmp_path):
    engine(speed="1")
    recorder = start()
    recorder.recording(100)
    code, said, _ = recorder.interrupt()
    assert code == 0
    assert said["failure"] is None
    assert said["events"] == sum(said["catalog"]["rows"].values()) >= 100
    assert_is_a_stretch_of(recording, tmp_path / "out")
    eventually(lambda: row("record") is None, "the recorder's end")
    assert status()["deaths"] == 0


def assert_is_a_stretch_of(original, recorded):
    """Check that of each file the rows between the first and the last are there, and no other."""
    first, last = {}, {}
    for key in keys_of(recorded):
        found, all_rows = rows_of(recorded, key), rows_of(original, key)
        at = all_rows.index(found[0])
        assert found == all_rows[at : at + len(found)]
        first[key], last[key] = at, at + len(found)
    return first, last


def test_duration_ends_the_recording(engine, start):
    engine(speed="1")
    code, said, _ = start("--duration", "500ms").result()
    assert code == 0
    assert 0.5 <= said["seconds"] < 30


def test_engine_that_stops_ends_the_recording_cleanly(engine, start, recording, tmp_path):
    engine(speed="1")
    recorder = start()
    recorder.recording(50)
    stop_engine("main")
    code, said, _ = recorder.result()
    assert code == 0
    assert said["events"] == sum(said["catalog"]["rows"].values()) >= 50
    assert_is_a_stretch_of(recording, tmp_path / "out")


def test_engine_that_is_killed_ends_the_recording_and_what_it_sent_is_kept(
    engine, start, recording, tmp_path
):
    pid = engine(speed="1")["pid"]
    recorder = start()
    recorder.recording(50)
    os.kill(pid, signal.SIGKILL)
    code, said, _ = recorder.result()
    assert code == 3
    assert f"engine process {pid} is gone" in said["failure"]
    assert said["events"] == sum(said["catalog"]["rows"].values()) >= 50
    assert_is_a_stretch_of(recording, tmp_path / "out")


def test_what_a_full_ring_lost_is_recorded_and_shown(engine, start, tmp_path):
    engine(data=str(ROOT / "replay_data"), speed="3000", policy="drop")
    recorder = start("--channels", "bbo-tbt")
    segment = recorder.recording(10)
    reader = recorder.reader_pid(segment)
    os.kill(reader, signal.SIGSTOP)
    try:
        eventually(lambda: segment.engine_counters["dropped"].sum() > 50, "drops", 60)
    finally:
        os.kill(reader, signal.SIGCONT)
    eventually(lambda: int(segment.strategy_counters["received"][Kind.GAP]), "a gap")
    code, said, _ = recorder.interrupt()
    dropped = int(segment.engine_counters["dropped"].sum())
    assert code == 0
    assert said["gaps"] >= 1
    assert said["lost"] == dropped > 50
    found = [one for one in check(tmp_path / "out")[1] if one.what == "gap"]
    assert len(found) == len(SYMBOLS)
    gaps = load(tmp_path / "out").gaps()
    assert {one["symbol"] for one in gaps} == set(SYMBOLS)
    of_one = [one for one in gaps if one["symbol"] == SYMBOLS[0]]
    assert sum(one["lost"]["quote"] for one in of_one) == dropped
    # It lies where events are missing: none is between the last before it and the gap.
    rows = Catalog(tmp_path / "out").read(SYMBOLS[0], Kind.QUOTE, DAY)
    at = int(np.searchsorted(rows["ts_recv"], of_one[0]["ts"]))
    assert rows["sequence"][at] - rows["sequence"][at - 1] > 1


def test_recorder_shows_its_state_and_has_no_run(engine, start):
    engine(speed="1")
    recorder = start()
    recorder.recording(10)
    shown = row("record")
    assert (shown["mode"], shown["orders"]) == ("recorder", 0)
    assert recorder.interrupt()[0] == 0
    eventually(lambda: row("record") is None, "the recorder's end")
    assert list((state_root() / "runs").glob("*")) == []


def test_lockstep_replay_is_recorded_whole_without_holding_it_up(own, recording, tmp_path):
    code, said, _ = record(tmp_path / "out", *own, "--speed", "lockstep", own=True)
    assert code == 0
    assert files_of(tmp_path / "out") == files_of(recording)
    assert said["seconds"] < 60


def test_configuration_of_an_engine_of_its_own_is_read(own, recording, tmp_path):
    config = tmp_path / "engine.toml"
    config.write_text('[engine]\nsymbols = ["ETH-USDT"]\n')
    code, _, _ = record(tmp_path / "out", *own, "--config", str(config), own=True)
    assert code == 0
    assert {symbol for symbol, _, _ in keys_of(tmp_path / "out")} == {"ETH-USDT"}


def test_terminal_shows_how_far_it_has_come_and_then_a_table(own, tmp_path):
    import pty
    import subprocess
    import sys

    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "livekit.cli.main", "record", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, *own, "--speed", "8"], stdout=subprocess.PIPE, stderr=secondary, text=True
    ) as process:
        os.close(secondary)
        shown = b""
        while b"quote" not in shown:
            shown += os.read(primary, 4096)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    os.close(primary)
    assert process.returncode == 0
    assert b"\r\x1b[2K" in shown
    assert b" MB  0 gaps" in shown
    assert "events," in out
    assert f"next: livekit data check --data {tmp_path / 'out'}" in out.replace("\n", " ")


def test_numbers_of_instruments_left_out_are_no_finding(own, tmp_path):
    code, _, _ = record(tmp_path / "out", *own, "--symbols", "ETH-USDT", own=True)
    assert code == 0
    assert check(tmp_path / "out")[1] == []


def test_recording_goes_on_over_midnight(runtime_dir, tmp_path):
    days = ("2026-01-05", "2026-01-06")
    rows = np.zeros(400, QUOTE)
    rows["kind"], rows["sequence"] = int(Kind.QUOTE), np.arange(400)
    rows["ts_recv"] = START_NS + 86_400_000_000_000 + (np.arange(400) - 200) * 1_000_000
    rows["ts_event"] = rows["ts_recv"] - 1000
    rows["bid_price"], rows["ask_price"] = 99.0, 99.1
    rows["bid_size"] = rows["ask_size"] = 1.0
    catalog = Catalog(tmp_path / "data")
    catalog.write_all({("BTC-USDT", Kind.QUOTE, days[i]): rows[i * 200 :][:200] for i in (0, 1)})
    catalog.write_instruments([Instrument("BTC-USDT", 0.1, 1e-5, 1e-5)])
    options = (*OWN, "--data", str(tmp_path / "data"), "--rotate-mb", "0.01")
    code, said, _ = record(tmp_path / "out", *options, own=True)
    assert code == 0
    assert said["catalog"]["parts"] > 2
    assert files_of(tmp_path / "out") == files_of(tmp_path / "data")


def test_two_recorders_of_one_engine_record_alike(engine, start, recording, tmp_path):
    engine(speed="max", wait_for=2)
    first = start(out=tmp_path / "first")
    second = start("--name", "second", out=tmp_path / "second")
    assert first.result()[0] == second.result()[0] == 0
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second") == files_of(recording)
