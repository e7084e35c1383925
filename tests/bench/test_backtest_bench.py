import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livekit.bench import backtest, backtest_rivals
from livekit.bench.backtest_compare import compare
from livekit.bench.backtest_market import INSTRUMENT, MARKET, make_market, to_events, write_catalog
from livekit.bench.backtest_own import FILL, run_work
from livekit.bench.backtest_side import Side
from livekit.cli.main import main
from livekit.errors import LivekitError, NotFoundError
from livekit.research.data import Data, load

HERE = Path(__file__).parent
WORKS = HERE / "works"

ECHO = """
import json, sys
print(json.dumps({"versions": {"echo": "1"}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["work"] == "die":
        sys.exit("no such work")
    print(json.dumps({"seconds": 0.5, "work": request["work"]}), flush=True)
"""


@pytest.fixture(scope="module")
def small():
    """Return a market of 3,000 events."""
    return make_market(2_000, 1_000)


@pytest.fixture
def fills():
    """Return three fills."""
    made = np.zeros(3, FILL)
    made["ts"], made["side"] = [10, 20, 20], [0, 1, 0]
    made["price"], made["quantity"] = [100.1, 100.2, 100.1], 0.01
    return made


def test_market_is_in_order_and_starts_with_a_quote(small):
    assert small.dtype == MARKET
    assert len(small) == 3_000
    assert (np.diff(small["ts"]) > 0).all()
    assert np.bincount(small["kind"]).sum() == 3_000
    assert small["kind"][0] == 0
    quotes = small[small["kind"] == 0]
    assert len(quotes) == 2_000
    assert (quotes["b"] > quotes["a"]).all()


def test_trades_happen_at_the_touch_of_the_last_quote(small):
    bid = ask = 0.0
    for event in small:
        if event["kind"] == 0:
            bid, ask = event["a"], event["b"]
        else:
            assert event["a"] == (ask if event["kind"] == 1 else bid)


def test_market_is_the_one_that_published_results_are_about():
    # The first and last rows of the default day, as the published generator writes them.
    market = make_market(2_000_000, 1_000_000)
    first, last = market[0], market[-1]
    assert tuple(first) == (1717200000044779799, 0, 50000.0, 50000.1, 1.686, 1.786)
    assert (int(last["ts"]), int(last["kind"])) == (1717286360790748031, 1)
    assert (float(last["a"]), float(last["c"])) == (50096.5, 0.011)


def test_events_carry_the_market_as_it_is(small):
    events = to_events(small)
    quotes, trades = events["BTC-USDT", "quote"], events["BTC-USDT", "trade"]
    rows = small[small["kind"] == 0]
    for name, column in (("bid_price", "a"), ("ask_price", "b"), ("bid_size", "c")):
        assert (quotes[name] == rows[column]).all()
    assert (trades["aux"] == np.where(small["kind"][small["kind"] != 0] == 1, 0, 1)).all()
    merged = np.sort(np.concatenate([quotes["sequence"], trades["sequence"]]))
    assert (merged == np.arange(1, 3_001)).all()


def test_recorded_market_loads_as_it_was_made(small, tmp_path):
    write_catalog(small, tmp_path)
    data = load(tmp_path)
    assert data.n_events == 3_000
    assert data.instruments == (INSTRUMENT,)
    assert (data.first_ts, data.last_ts) == (small["ts"][0], small["ts"][-1])


def test_equal_fills_in_another_order_do_not_differ(fills):
    assert compare(fills, fills[[0, 2, 1]]) == (0, "")


def test_fill_split_at_one_instant_counts_as_one(fills):
    split = np.concatenate([fills, fills[:1]])
    split["quantity"][[0, 3]] = 0.004, 0.006
    assert compare(fills, split).n_unlike == 0


def test_first_unlike_fill_is_named(fills):
    other = fills.copy()
    other["price"][1] = 100.3
    difference = compare(fills, other)
    assert difference.n_unlike == 2
    assert difference.first == "ts=20 side=sell price=100.2 quantity: ours 0.010, theirs 0.000"
    assert compare(fills, fills[:0]).n_unlike == 3


def test_side_answers_and_says_what_it_has():
    with Side("echo", [sys.executable, "-c", ECHO]) as side:
        assert side.versions == {"echo": "1"}
        assert side.ask("anything", size=1) == {"seconds": 0.5, "work": "anything"}


def test_side_that_ends_is_reported_with_its_last_words():
    with (
        Side("echo", [sys.executable, "-c", ECHO]) as side,
        pytest.raises(LivekitError, match="echo ended with exit code 1: no such work"),
    ):
        side.ask("die")


def test_side_that_never_starts_is_reported():
    with pytest.raises(LivekitError, match="gone ended with exit code 3: no message"):
        Side("gone", [sys.executable, "-c", "raise SystemExit(3)"])


def test_python_without_rivals_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path))
    assert backtest_rivals.find_rivals([Path(sys.executable)]) == {}


def test_rivals_that_cannot_live_together_are_found_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path))
    pythons = []
    for name, modules in (("a", ["hftbacktest"]), ("b", ["vectorbt", "vectorbt_rust"])):
        for module in modules:
            (tmp_path / name / module).mkdir(parents=True)
            (tmp_path / name / module / "__init__.py").touch()
        pythons.append(tmp_path / f"python-{name}")
        pythons[-1].write_text(
            f'#!/bin/sh\nPYTHONPATH={tmp_path / name} exec {sys.executable} "$@"\n'
        )
        pythons[-1].chmod(0o755)
    found = backtest_rivals.find_rivals(pythons)
    assert found == {"hftbacktest": pythons[0], "vectorbt": pythons[1]}


def test_rivals_python_that_does_not_run_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="does not run as a Python"):
        backtest_rivals.find_rivals([tmp_path / "nothing"])


def test_failed_install_says_why_and_leaves_no_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path))
    refusing = 'import sys\nsys.exit("no such package")\n'
    real = subprocess.run

    def run(command, **options):
        if "pip" in command:
            command = [sys.executable, "-c", refusing]
        if "venv" in command:
            command = [*command, "--without-pip"]
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(LivekitError, match="failed: no such package"):
        backtest_rivals.install_rivals()
    assert [path.name for path in (tmp_path / "livekit" / "rivals").iterdir()] == []


def test_every_rival_has_its_script_and_pinned_requirements():
    for rival in backtest_rivals.RIVALS.values():
        assert (HERE / "rivals" / rival.script).is_file()
        assert all("==" in requirement for requirement in rival.requirements)


def test_rivals_scripts_import_nothing_of_livekit():
    for script in (HERE / "rivals").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        assert "import livekit" not in text
        assert "from livekit" not in text


@pytest.mark.parametrize("work", ["ema_cross", "market_maker"])
def test_interpreted_and_compiled_works_fill_the_same(small, work):
    data = Data.from_arrays(dict(to_events(small)), [INSTRUMENT])
    runs = [run_work(WORKS, data, {"work": work, "jit": jit}) for jit in (True, False)]
    assert len(runs[0].fill_rows) >= 2
    assert runs[0].hash == runs[1].hash


@pytest.mark.process
def test_benchmark_without_rivals_measures_livekit_alone(tmp_path, monkeypatch, capfd):
    small = backtest.Plan(WORKS, HERE / "rivals", {}, 2_000, 1_000, runs=1, slow_runs=1)
    monkeypatch.setattr(backtest, "Plan", lambda *_args, **_options: small)
    monkeypatch.setattr(backtest_rivals, "rivals_folder", lambda: tmp_path / "none")
    assert main(["bench", "backtest", "--quick", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    rows = {row["name"]: row for row in made["rows"]}
    for name in ("EMA cross, compiled", "market maker, compiled", "EMA cross, interpreted"):
        assert rows[name]["value"] > 0
        assert rows[name]["target"] is None
    assert rows["sweep of 100 pairs, 2 threads"]["peer"] == "1 thread"
    assert rows["new process to the first result, known"]["target"] == "<= 1"
    assert rows["load 3,000 recorded events, second time"]["value"] > 0
    assert len(made["notes"]) == len(backtest_rivals.RIVALS)
    assert all("--install" in note for note in made["notes"])
