"""`livekit backtest` and `livekit runs`: what they print, save, keep and refuse."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from livekit.cli.main import build_parser, main
from livekit.cli.run_options import finish_first
from livekit.errors import NotFoundError
from livekit.research.report import saved
from livekit.research.report.run import Run
from livekit.research.settings import make_settings

ROOT = Path(__file__).parents[2]
EMA = ROOT / "strategies" / "ema_cross.py"
EAGER = ("--param", "fast=0.5", "--param", "slow=0.1", "--param", "band_bps=0")

FAILING = """
import livekit as lk

class Failing(lk.Strategy):
    symbols = ("BTC-USDT",)
    seen: int = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 10:
            self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)
        if self.seen > 100:
            raise ValueError("out of luck")
"""


@pytest.fixture(autouse=True)
def own_state(runtime_dir):
    return runtime_dir


@pytest.fixture
def run(capsys, recording):
    """Run `livekit backtest` on the small recording; return its code, output and errors."""

    def run(*arguments, file=EMA, data=recording):
        code = main(["backtest", str(file), "--data", str(data), *map(str, arguments)])
        return (code, *capsys.readouterr())

    return run


def test_summary_names_figures_and_where_the_run_is(run):
    code, out, err = run(*EAGER, "--name", "mine")
    assert (code, err) == (0, "")
    for text in ("Net profit [quote]", "Sharpe ratio", "Fees paid", "Fill ratio", "Markout 1s"):
        assert text in out
    (one,) = saved.runs()
    assert f"saved in {one.path}\n" in out
    assert f"livekit report {one.name}" in out
    assert "fast=0.5, slow=0.1" in out


def test_saved_run_is_the_run(run):
    code, out, _ = run(*EAGER, "--json")
    document = json.loads(out)
    loaded = saved.run(Path(document["path"]).name)
    assert code == 0
    assert loaded.hash == document["hash"]
    assert document["meta"]["params"]["fast"] == 0.5
    assert document["stats"]["Run"]["n_fills"] == len(loaded.fill_rows) > 10
    assert document["report"] is None


def test_interpreted_and_compiled_give_the_same_run(run):
    hashes = {json.loads(run(*EAGER, mode, "--json")[1])["hash"] for mode in ("--jit", "--no-jit")}
    assert len(hashes) == 1


def test_assumptions_reach_the_run(run):
    options = ("--cash", 5000, "--maker", "-0.0001", "--taker", 0.001, "--whole-fills")
    options += ("--latency", "order=2ms,response=1ms,feed=1ms", "--queue", "power_prob:3")
    options += ("--sample", "100ms", "--seed", 3, "--unlimited-depth", "--json")
    meta = json.loads(run(*EAGER, *options)[1])["meta"]
    assert meta["models"] == {
        "latency": "feed 1ms, order 2ms, response 1ms",
        "queue": "power_prob 3",
        "partial_fills": False,
        "maker": -0.0001,
        "taker": 0.001,
        "funding": "none",
        "unlimited_depth": True,
    }
    assert (meta["cash"], meta["sample_ns"], meta["seed"]) == (5000.0, 100_000_000, 3)


def test_only_the_strategys_symbols_are_loaded_unless_others_are_asked_for(run):
    assert json.loads(run("--json")[1])["meta"]["data"]["symbols"] == ["BTC-USDT"]
    document = json.loads(run("--json", "--symbols", "ETH-USDT, BTC-USDT")[1])
    assert document["meta"]["data"]["symbols"] == ["ETH-USDT", "BTC-USDT"]


def test_range_of_time_is_taken(run):
    times = ("--start", "2026-01-05T00:00:10", "--stop", "2026-01-05T00:00:20")
    data = json.loads(run(*times, "--json")[1])["meta"]["data"]
    assert (data["stop_ns"] - data["start_ns"]) // 10**9 == 9
    assert data["n_events"] == 1200


def test_save_puts_the_run_where_it_is_told_and_replaces_only_runs(run, tmp_path):
    folder = tmp_path / "here" / "ema"
    assert run(*EAGER, "--save", folder)[0] == 0
    assert run(*EAGER, "--save", folder)[0] == 0
    assert len(Run.load(folder).fill_rows) > 10
    assert len(saved.runs()) == 0


def test_report_has_the_ladder_of_the_data_and_the_fan_when_asked(run, tmp_path):
    pytest.importorskip("plotly", reason="plotly is in the report extra")
    file = tmp_path / "out.html"
    code, out, _ = run(*EAGER, "--report", file)
    assert (code, f"report in {file}" in out) == (0, True)
    assert ('id="ladder"' in file.read_text(), 'id="fan"' in file.read_text()) == (True, False)
    code, _, _ = run(*EAGER, "--report", file, "--fan", "--json")
    assert (code, 'id="fan"' in file.read_text()) == (0, True)


def test_fan_without_a_report_is_refused_before_anything_runs(run):
    code, out, err = run(*EAGER, "--fan")
    assert (code, out) == (4, "")
    assert "--fan shows its result in the report; give --report FILE too" in err


def test_defaults_of_the_options_are_those_of_make_settings():
    options = vars(build_parser().parse_args(["backtest", "x.py"]))
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(make_settings).parameters.items()
    }
    for name in ("cash", "maker", "taker", "queue", "sample", "funding", "unlimited_depth"):
        assert options[name] == defaults[name]
    assert (options["whole_fills"], options["latency"]) == (not defaults["partial_fills"], "")


# What may go wrong while it runs.


def test_interrupting_keeps_and_saves_the_part_that_ran(run, monkeypatch):
    from livekit.research.simulation import Simulation

    step, calls = Simulation.step, []

    def interrupted(simulation):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        simulation.budget = 2000
        return step(simulation)

    monkeypatch.setattr(Simulation, "step", interrupted)
    code, out, _ = run(*EAGER)
    assert code == 130
    assert "interrupted: this is the part until then" in out
    (one,) = saved.runs()
    assert one.is_partial
    assert 0 < one.load().meta["counts"]["events"] < 4800
    assert len(one.load().fill_rows) > 0


@pytest.mark.process
def test_ctrl_c_in_a_real_process_saves_the_part_that_ran(tmp_path, recording):
    """The strategy tells when it is under way; then the terminal sends SIGINT."""
    flag = tmp_path / "under-way"
    path = tmp_path / "slow.py"
    path.write_text(
        "import time\nfrom pathlib import Path\nimport livekit as lk\n\n"
        "class Slow(lk.Strategy):\n    symbols = ('BTC-USDT',)\n    seen: int = 0\n\n"
        "    def on_quote(self, quote):\n        self.seen += 1\n"
        "        if self.seen == 1000:\n"
        "            self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)\n"
        "        if self.seen == 1100:\n"
        f"            Path({str(flag)!r}).touch()\n"
        "        if self.seen > 1100:\n            time.sleep(0.01)\n"
    )
    command = [sys.executable, "-m", "livekit.cli.main", "backtest", path, "--data", recording]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, cwd=ROOT)
    deadline = time.monotonic() + 120
    while not flag.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["meta"]["is_partial"]
    assert len(Run.load(document["path"]).fill_rows) == 1


def test_second_ctrl_c_waits_until_the_run_is_saved():
    done = []
    with finish_first():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("saved")
    assert done == ["saved"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_strategy_that_fails_ends_with_4_and_what_ran_is_saved(run, tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    code, out, err = run(file=path)
    assert (code, out) == (4, "")
    (one,) = saved.runs()
    assert "was stopped" in err
    assert repr(str(one.path)) in err
    assert one.is_partial
    assert len(one.load().fill_rows) == 1


# Wrong input: (file's text or None for the bundled one, arguments, exit code, what is said).

WRONG = {
    "no such file": ("nowhere.py", (), 2, "strategy file 'nowhere.py' does not exist"),
    "no Python file": (ROOT / "README.md", (), 4, "is no Python file"),
    "a syntax error": ("class A(:\n", (), 4, "syntax error in line 1"),
    "no strategy in it": ("x = 1\n", (), 4, "defines no strategy"),
    "an import that fails": ("import nothing_of_this_name\n", (), 4, "cannot be imported"),
    "no such class": (EMA, ("--class", "EmaCros"), 2, "did you mean 'EmaCross'"),
    "several classes": (
        "import livekit as lk\nclass A(lk.Strategy): pass\nclass B(lk.Strategy): pass\n",
        (),
        4,
        "choose one with --class",
    ),
    "on_start raises": (
        "import livekit as lk\nclass A(lk.Strategy):\n    def on_start(self):\n        1 / 0\n",
        (),
        4,
        "on_start of strategy 'A' raised ZeroDivisionError",
    ),
    "no such parameter": (EMA, ("--param", "fats=0.1"), 4, "did you mean 'fast'"),
    "a parameter that is no number": (EMA, ("--param", "fast=quick"), 4, "expected a number"),
    "a parameter out of range": (EMA, ("--param", "fast=7"), 4, "expected 0.0001 to 0.5"),
    "a parameter without a value": (EMA, ("--param", "fast"), 4, "name=value"),
    "no such data": (EMA, ("--data", "nowhere"), 2, "does not exist"),
    "no such symbol": (EMA, ("--symbols", "DOGE-USDT"), 2, "'DOGE-USDT' is not recorded"),
    "symbols without the strategy's": (EMA, ("--symbols", "ETH-USDT"), 4, "trades 'BTC-USDT'"),
    "no such venue": (EMA, ("--venue", "nyse"), 2, "'nyse'"),
    "a time that is none": (EMA, ("--start", "yesterday"), 4, "'yesterday' is not a time"),
    "a range without events": (EMA, ("--start", "2030-01-01"), 2, "no event"),
    "no cash": (EMA, ("--cash", "0"), 4, "cash is 0.0"),
    "cash that is no number": (EMA, ("--cash", "nan"), 4, "cash is nan"),
    "a fee of 50 %": (EMA, ("--taker", "0.5"), 4, "taker fee is 0.5"),
    "no such latency": (EMA, ("--latency", "ordre=2ms"), 4, "'ordre=2ms'"),
    "a latency that is no span": (EMA, ("--latency", "order=soon"), 4, "'soon'"),
    "no such queue": (EMA, ("--queue", "hopeful"), 4, "'hopeful'"),
    "no such exponent": (EMA, ("--queue", "power_prob:x"), 4, "exponent"),
    "a sample of nothing": (EMA, ("--sample", "0s"), 4, "sample is '0s'"),
    "a place that is no run": (EMA, ("--save", ROOT / "livekit"), 4, "is no saved run"),
    "a report in no folder": (EMA, ("--report", "no/such/out.html"), 2, "does not exist"),
    "a report that is a folder": (EMA, ("--report", ROOT), 4, "is a folder"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_has_its_code_and_one_sentence_and_saves_nothing(
    what, run, capsys, tmp_path, monkeypatch
):
    file, arguments, expected, message = WRONG[what]
    monkeypatch.chdir(tmp_path)
    if isinstance(file, str) and "\n" in file:
        (tmp_path / "wrong.py").write_text(file)
        file = "wrong.py"
    code, out, err = run("--no-jit", *arguments, file=file)
    assert (code, out) == (expected, ""), err
    assert err.startswith("livekit: ")
    assert err.count("\n") == 1
    assert message in err
    code, out, err = run("--no-jit", *arguments, "--json", file=file)
    assert (code, err) == (expected, "")
    assert json.loads(out)["error"]["exit_code"] == expected
    assert len(saved.runs()) == 0


# Saved runs.


def runs(capsys, *arguments):
    code = main(["runs", *arguments])
    return (code, *capsys.readouterr())


def test_runs_lists_the_newest_first_with_what_they_made(run, capsys):
    assert "no run is saved" in runs(capsys)[1]
    run(*EAGER, "--name", "first")
    run(*EAGER, "--name", "second")
    code, out, _ = runs(capsys, "--json")
    listed = json.loads(out)["runs"]
    assert code == 0
    assert {one["label"] for one in listed} == {"first", "second"}
    assert listed[0]["started"] >= listed[1]["started"]
    for one in listed:
        loaded = saved.run(one["name"])
        assert one["net_profit"] == pytest.approx(loaded.stat("net_pnl"))
        assert (one["hash"], one["strategy"]) == (loaded.hash, "EmaCross")
        assert not one["is_partial"]
    _, text, _ = runs(capsys)
    assert all(one["name"] in text for one in listed)


def test_rm_removes_the_named_and_no_other(run, capsys):
    for name in ("first", "second"):
        run(*EAGER, "--name", name)
    first, second = sorted(one.name for one in saved.runs())
    code, _, err = runs(capsys, "rm", first, "no-such-run")
    assert (code, "'no-such-run'" in err) == (2, True)
    assert len(saved.runs()) == 2
    code, out, _ = runs(capsys, "rm", first, "--json")
    assert (code, json.loads(out)) == (0, {"removed": [first]})
    assert [one.name for one in saved.runs()] == [second]


@pytest.mark.parametrize("name", ["..", ".", "", "/etc", "../runs"])
def test_rm_takes_no_path(name, run, capsys):
    run(*EAGER)
    assert runs(capsys, "rm", name)[0] == 2
    assert len(saved.runs()) == 1


def test_broken_run_is_listed_with_what_is_wrong_and_can_be_removed(run, capsys):
    run(*EAGER, "--name", "whole")
    (one,) = saved.runs()
    broken = one.path.parent / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    listed = {item.name: item for item in saved.runs()}
    assert listed["broken"].problem.startswith("unreadable (JSONDecodeError")
    assert not listed[one.name].problem
    assert "unreadable" in runs(capsys)[1]
    assert runs(capsys, "rm", "broken")[0] == 0
    assert not broken.exists()


def test_run_is_found_by_folder_by_name_and_by_path(run):
    run(*EAGER, "--name", "mine")
    (one,) = saved.runs()
    for name in (one.name, "mine", one.path, str(one.path)):
        assert saved.find_run(name) == one.path
    with pytest.raises(NotFoundError, match="did you mean 'mine'"):
        saved.run("mnie")


def test_runs_show_themselves_as_a_table_and_as_a_frame(run):
    assert repr(saved.runs()) == "<Runs: none>"
    assert len(saved.runs().frame) == 0
    run(*EAGER)
    found = saved.runs()
    assert found[0].name in repr(found)
    assert f"<td>{found[0].name}</td>" in found._repr_html_()
    frame = found.frame
    assert frame.loc[found[0].name, "fast"] == 0.5
    assert np.isfinite(frame["net_profit"]).all()
    assert len(found[:1]) == 1
