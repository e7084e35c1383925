"""`livekit sweep`: grids, conditions, rows, and what it refuses."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from livekit.cli.main import main
from livekit.cli.sweep_options import parse_grid, parse_where
from livekit.errors import ConfigError

ROOT = Path(__file__).parents[2]
EMA = ROOT / "strategies" / "ema_cross.py"
GRID = ("--grid", "fast=0.1,0.3,0.5", "--grid", "slow=0.05,0.1")
EAGER = ("--param", "band_bps=0", "--executor", "threads")


@pytest.fixture
def sweep(capsys, recording, runtime_dir):
    def sweep(*arguments, file=EMA):
        code = main(["sweep", str(file), "--data", str(recording), *map(str, arguments)])
        return (code, *capsys.readouterr())

    return sweep


# Grids.


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("fast=0.05:0.5:0.05", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]),
        ("fast=1:10:4", [1, 5, 9]),
        ("fast= 0.01 , 2e-2,10:30:10", [0.01, 0.02, 10, 20, 30]),
        ("fast=-1:1:1", [-1, 0, 1]),
        ("fast=7:7:1", [7]),
        ("fast=true,False", [True, False]),
    ],
)
def test_grid_has_the_decimal_values_that_were_meant(text, values):
    assert parse_grid([text]) == {"fast": values}


@pytest.mark.parametrize(
    "text",
    [
        *("fast", "fast=", "=1", "fast=a", "fast=1,,2", "fast=1:2", "fast=1:2:0", "fast=1:2:-1"),
        *("fast=2:1:1", "fast=nan", "fast=1:inf:1", "fast=0:1:1e-9", "fast=1:2:3:4"),
    ],
)
def test_grid_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="grid"):
        parse_grid([text])


def test_grid_of_one_parameter_given_twice_is_refused():
    with pytest.raises(ConfigError, match="'fast' is given twice"):
        parse_grid(["fast=1", "fast=2"])


# Conditions.


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("fast > slow", True),
        ("fast < slow", False),
        ("0.1 < slow < fast", True),
        ("fast > 2 * slow and not slow == 1", True),
        ("fast < slow or -fast < -slow", True),
        ("(fast + slow) / 2 >= 0.35", True),
        ("fast // slow == 2 and fast % 1 != 0", True),
        ("n == 3", True),
    ],
)
def test_condition_is_computed_as_python_would(text, is_kept):
    values = SimpleNamespace(fast=0.5, slow=0.2, n=3)
    assert parse_where(text, ["fast", "slow", "n"])(values) is is_kept


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "fast.real > 1",
        "fast > slow if True else False",
        "[fast for fast in (1,)]",
        "(lambda: 1)()",
        "fast[0]",
        "'fast' == 'fast'",
        "fast ** 9 ** 9 > 1",
        "fast in (1, 2)",
        "fast is 1",
        "(fast := 2)",
        "f'{fast}'",
        "fast > x",
        "fast >",
        "",
        "fast; slow",
        "1j > 0",
        " and ".join(["fast > 1"] * 100),
    ],
)
def test_condition_that_is_more_than_one_is_refused(text):
    with pytest.raises(ConfigError, match="where"):
        parse_where(text, ["fast", "slow"])


def test_condition_that_divides_by_zero_names_the_set(sweep):
    code, _, err = sweep(*GRID, *EAGER, "--where", "fast / (slow - 0.1) > 1")
    assert code == 4
    assert "ZeroDivisionError" in err


# Rows.


def test_rows_are_ranked_and_written(sweep, tmp_path):
    out = tmp_path / "rows.parquet"
    code, text, err = sweep(*GRID, *EAGER, "--jit", "--out", out, "--score", "net_pnl")
    assert (code, err) == (0, "")
    assert "6 of 6 parameter sets" in text
    assert "ranked by net_pnl" in text
    assert "next: livekit backtest" in text
    frame = pd.read_parquet(out)
    assert len(frame) == 6
    assert set(frame["fast"]) == {0.1, 0.3, 0.5}
    best = frame.loc[frame["net_pnl"].idxmax()]
    assert f"--param band_bps=0 --param fast={best['fast']:g} --param slow={best['slow']:g}" in text


def test_rows_as_json_and_csv_are_the_same(sweep, tmp_path):
    out = tmp_path / "rows.csv"
    options = (*GRID, *EAGER, "--jit", "--where", "fast > 2 * slow", "--score", "net_pnl")
    code, text, _ = sweep(*options, "--out", out, "--json")
    document = json.loads(text)
    frame = pd.read_csv(out)
    assert code == 0
    assert document["n_sets"] == len(document["rows"]) == len(frame) == 4
    assert [row["net_pnl"] for row in document["rows"]] == pytest.approx(list(frame["net_pnl"]))
    top = max(document["rows"], key=lambda row: row["net_pnl"])
    assert document["best"]["fast"] == top["fast"]


def test_random_choice_is_of_the_size_and_repeats(sweep):
    options = (*GRID, *EAGER, "--jit", "--random", "3", "--seed", "5", "--json")
    rows = [json.loads(sweep(*options)[1])["rows"] for _ in range(2)]
    assert len(rows[0]) == 3
    assert [(r["fast"], r["slow"]) for r in rows[0]] == [(r["fast"], r["slow"]) for r in rows[1]]


WRONG = {
    "no such file": ("nowhere.py", GRID, 2, "does not exist"),
    "no grid": (EMA, (), 4, "no grid is given"),
    "a parameter of several values": (EMA, ("--param", "fast=0.1,0.2"), 4, "--grid fast=0.1,0.2"),
    "a grid of no parameter": (EMA, ("--grid", "fats=0.1"), 4, "did you mean 'fast'"),
    "a grid out of range": (EMA, ("--grid", "fast=0.1,7"), 4, "expected 0.0001 to 0.5"),
    "a value and a grid": (EMA, (*GRID, "--param", "fast=0.1"), 4, "has a value and a grid"),
    "nothing left": (EMA, (*GRID, "--where", "fast > 1"), 4, "no parameter set is left"),
    "no such parameter in where": (EMA, (*GRID, "--where", "fsat > 1"), 4, "did you mean 'fast'"),
    "code in where": (EMA, (*GRID, "--where", "print(1)"), 4, "more than a condition"),
    "no such score": (EMA, (*GRID, "--score", "sharp"), 4, "did you mean 'sharpe'"),
    "none at random": (EMA, (*GRID, "--random", "0"), 4, "n is 0"),
    "no such executor": (EMA, (*GRID, "--executor", "magic"), 4, "'magic'"),
    "no workers": (EMA, (*GRID, "--workers", "0"), 4, "workers"),
    "no such data": (EMA, (*GRID, "--data", "nowhere"), 2, "does not exist"),
    "rows of no format": (EMA, (*GRID, "--out", "rows.xls"), 4, ".parquet or .csv"),
    "rows in no folder": (EMA, (*GRID, "--out", "no/such/rows.csv"), 2, "choose another place"),
    "a latency that is none": (EMA, (*GRID, "--latency", "soon"), 4, "'soon'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_has_its_code_and_one_sentence(what, sweep, tmp_path, monkeypatch):
    file, arguments, expected, message = WRONG[what]
    monkeypatch.chdir(tmp_path)
    code, out, err = sweep(*arguments, file=file)
    assert (code, out) == (expected, ""), err
    assert err.startswith("livekit: ")
    assert err.count("\n") == 1
    assert message in err
    code, out, err = sweep(*arguments, "--json", file=file)
    assert (code, err) == (expected, "")
    assert json.loads(out)["error"]["exit_code"] == expected
