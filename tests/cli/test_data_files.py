"""`livekit data import` and `export`: what they print, and the codes they end with."""

import gzip
import json

import numpy as np
import pytest

from livekit.cli.main import main

T = 1_700_000_000_000_000
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
ROWS = [f"okex,BTC-USDT,{T + i},{T + i + 5},{i},buy,100.5,0.25" for i in range(3)]
OTHER = ROWS[1].replace("100.5", "abc")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr("livekit.store.cache.rows_cache_folder", lambda: tmp_path / "cache")


def run(capsys, *arguments):
    code = main(["data", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert err == ""
    return code, json.loads(out)


def write(path, *rows):
    path.write_text("\n".join([TRADES, *rows, ""]))
    return path


def test_import_tells_the_format_and_says_what_it_did(capsys, tmp_path):
    path, out = write(tmp_path / "x.csv", *ROWS), tmp_path / "out"
    code, report = run_json(capsys, "import", path, "--into", out)
    assert (code, report["format"], report["venue"], report["rows"]) == (0, "tardis", "okx", 3)
    assert report["kinds"][0]["first"] == "2023-11-14T22:13:20.000005Z"
    assert report["inferred"] == ["BTC-USDT"]
    code, listed = run_json(capsys, "list", "--data", out)
    assert [(one["symbol"], one["kind"], one["rows"]) for one in listed["files"]] == [
        ("BTC-USDT", "trade", 3)
    ]
    code, text, _ = run(capsys, "import", path, "--into", out, "--replace")
    assert code == 0
    assert "note: steps of BTC-USDT" in text
    assert "3 rows read" in text


def test_steps_are_those_of_the_options(capsys, tmp_path):
    path = write(tmp_path / "x.csv", *ROWS)
    steps = ("--tick", "0.01", "--lot", "0.001", "--min", "0.1", "--contract-value", "2")
    code, report = run_json(capsys, "import", path, "--into", tmp_path / "out", *steps)
    one = report["instruments"][0]
    assert code == 0
    assert (one["tick"], one["lot"], one["min_quantity"], one["contract_value"]) == (
        *(0.01, 0.001, 0.1, 2),
    )
    assert (one["is_inferred"], report["inferred"]) == (False, [])


def test_columns_and_kinds_are_those_of_the_options(capsys, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"when,last,n\n{T},1.5,2\n")
    options = ("--symbol", "X", "--columns", "time=when,price=last,size=n", "--unit", "us")
    arguments = ("import", path, "--format", "table", "--into", tmp_path / "out", *options)
    code, report = run_json(capsys, *arguments)
    assert (code, report["kinds"][0]["kind"]) == (0, "trade")
    code, document = run_json(capsys, *arguments, "--replace", "--kinds", "quote,book")
    assert code == 1
    assert "no rows of 'X' that are to be kept" in document["error"]["message"]


def test_export_and_import_again_is_the_same(capsys, tmp_path):
    path, out, other = write(tmp_path / "x.csv", *ROWS), tmp_path / "out", tmp_path / "other"
    run(capsys, "import", path, "--into", out)
    array = tmp_path / "x.npz"
    arguments = ("export", array, "--data", out, "--symbol", "BTC-USDT")
    code, report = run_json(capsys, *arguments)
    assert (code, report["rows"], report["events"]) == (0, 3, {"trade": 3})
    code, text, _ = run(capsys, *arguments, "--replace")
    assert (code, "3 rows written" in text) == (0, True)
    assert len(np.load(array)["data"]) == 3
    code, report = run_json(capsys, "import", array, "--into", other, "--symbol", "BTC-USDT")
    assert (code, report["format"], report["rows"]) == (0, "hftbacktest", 3)


@pytest.mark.parametrize(
    ("make", "options", "code", "message"),
    [
        (None, (), 2, "does not exist"),
        (lambda path: write(path, *ROWS[:1], OTHER), (), 1, "line 3 of"),
        (lambda path: path.write_text("a,b\n1,2\n"), (), 4, "say it with --format: hftbacktest"),
        (lambda path: write(path, *ROWS), ("--format", "excel"), 4, "expected one of hftbacktest"),
        (lambda path: write(path, *ROWS), ("--kinds", "colour"), 4, "'colour' is not recorded"),
        (lambda path: write(path, *ROWS), ("--symbol", "ETH-USDT"), 1, "no rows of 'ETH-USDT'"),
        (lambda path: write(path, *ROWS), ("--symbol", "../x"), 4, "cannot name a folder"),
        (lambda path: write(path, *ROWS), ("--columns", "price"), 4, "expected ROLE=NAME"),
        (lambda path: write(path, *ROWS), ("--tick", "-1"), 4, "expected a positive number"),
        (
            lambda path: path.write_bytes(gzip.compress("\n".join([TRADES, *ROWS]).encode())[:-9]),
            (),
            1,
            "truncated or corrupt",
        ),
    ],
)
def test_wrong_input_is_one_sentence_and_imports_nothing(
    capsys, tmp_path, make, options, code, message
):
    path, out = tmp_path / "x.csv", tmp_path / "out"
    if make is not None:
        make(path)
    found, text, err = run(capsys, "import", path, "--into", out, *options)
    assert (found, text, err.count("\n")) == (code, "", 1)
    assert message in err
    assert not out.exists()
    found, document = run_json(capsys, "import", path, "--into", out, *options)
    assert (found, document["error"]["exit_code"]) == (code, code)


def test_existing_days_are_refused(capsys, tmp_path):
    path, out = write(tmp_path / "x.csv", *ROWS), tmp_path / "out"
    assert run(capsys, "import", path, "--into", out)[0] == 0
    code, _, err = run(capsys, "import", path, "--into", out)
    assert code == 4
    assert "exists already" in err


def test_raw_recordings_come_one_at_a_time(capsys, tmp_path):
    path = write(tmp_path / "x.csv", *ROWS)
    code, _, err = run(capsys, "import", path, path, "--format", "cryptofeed-raw")
    assert code == 4
    assert "imported by itself" in err
