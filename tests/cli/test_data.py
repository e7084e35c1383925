"""`livekit data`: what it prints, and the codes it ends with."""

import json
from pathlib import Path

import pytest

from livekit.cli.main import main
from livekit.store.catalog import Catalog

TRADE = (
    '1652459225.6: {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",'
    '"tradeId":"2","px":"100.5","sz":"0.25","side":"buy","ts":"1652459225550"}]}\n'
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("livekit.store.cache.rows_cache_folder", lambda: tmp_path)


def run(capsys, *arguments):
    code = main(["data", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert err == ""
    return code, json.loads(out)


def test_generated_data_is_listed_and_checked(capsys, tmp_path):
    out = tmp_path / "data"
    code, made = run_json(
        capsys, "generate", "--out", out, "--symbols", "BTC-USDT", "--hours", ".1"
    )
    assert code == 0
    assert [one["kind"] for one in made["files"]] == ["book", "quote", "ticker", "trade"]
    code, listed = run_json(capsys, "list", "--data", out)
    assert (code, listed["files"]) == (0, made["files"])
    assert run_json(capsys, "check", "--data", out) == (
        0,
        {"data": str(out), "files": 4, "findings": []},
    )
    code, text, _ = run(capsys, "list", "--data", out)
    assert code == 0
    assert "4 files" in text


def test_faulty_data_ends_check_with_code_1(capsys, tmp_path):
    out = tmp_path / "data"
    run(capsys, "generate", "--out", out, "--symbols", "BTC-USDT", "--hours", "0.1")
    path = Catalog(out).path("BTC-USDT", "book", "2026-01-05")
    path.write_bytes(path.read_bytes()[:-30])
    code, report = run_json(capsys, "check", "--data", out)
    assert (code, report["findings"][0]["what"]) == (1, "unreadable")
    code, text, _ = run(capsys, "check", "--data", out)
    assert (code, "4 files checked" in text) == (1, True)
    code, _, err = run(capsys, "list", "--data", out)
    assert (code, "truncated or corrupt" in err) == (1, True)


def test_import_reports_its_counts(capsys, tmp_path):
    raw = tmp_path / "recording.raw"
    raw.write_text(TRADE)
    out = tmp_path / "out"
    arguments = ("import", raw, "--format", "cryptofeed-raw", "--out", out)
    code, report = run_json(capsys, *arguments)
    assert (code, report["events"], report["inferred"]) == (0, {"trade": 1}, ["BTC-USDT"])
    assert [Path(path).exists() for path in report["written"]] == [True]
    code, text, _ = run(capsys, *arguments)
    assert (code, "0 files written" in text) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("list", "--data", "nowhere"), 2, "does not exist"),
        (("check", "--data", "nowhere"), 2, "does not exist"),
        (("generate", "--symbols", "DOGE-USDT", "--out", "x"), 4, "cannot be generated"),
        (("generate", "--day", "2026-13-01", "--out", "x"), 4, "not a date"),
        (("import", "nowhere", "--format", "cryptofeed-raw"), 2, "does not exist"),
    ],
)
def test_bad_argument_has_its_code_and_one_sentence(
    capsys, monkeypatch, tmp_path, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err
    found, document = run_json(capsys, *arguments)
    assert (found, document["error"]["exit_code"]) == (code, code)


def test_truncated_recording_is_an_error_and_leaves_nothing(capsys, tmp_path):
    raw = tmp_path / "recording.raw"
    raw.write_text(TRADE + TRADE[:40])
    out = tmp_path / "out"
    code, _, err = run(capsys, "import", raw, "--format", "cryptofeed-raw", "--out", out)
    assert (code, "line 2 of" in err, out.exists()) == (1, True, False)
