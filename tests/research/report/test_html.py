"""The report as text: what it says, what it escapes, and that it loads nothing."""

import html
import json
import re
import subprocess
import sys

import pytest
import random_runs
import synthetic_run
from hypothesis import HealthCheck, given, settings

from livekit.cli.main import main
from livekit.errors import ConfigError
from livekit.research.report import figures_plot
from livekit.research.report.html import page, report
from livekit.research.report.html_numbers import groups, key_numbers
from livekit.research.report.run import Run

pytest.importorskip("plotly", reason="plotly is in the report extra")

NASTY = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def run():
    return synthetic_run.made_run(600, marked=True)


@pytest.fixture(scope="module")
def text(run):
    return page(run)


def without_library(text):
    return text.replace(figures_plot.plotly_js(), "")


def figures_of(text):
    found = re.findall(
        r'<script type="application/json" id="data-([^"]+)">(.*?)</script>', text, re.DOTALL
    )
    return {name: json.loads(body) for name, body in found}


def shown(text, key):
    """Return the text of a number in the tables of statistics."""
    row = re.search(rf'<tr data-key="{key}">.*?<td[^>]*>(.*?)</td>', text)
    return html.unescape(re.sub("<[^>]+>", " ", row[1])).strip()


def test_plotly_stands_in_the_page_once_and_nothing_is_loaded(text):
    rest = without_library(text)
    assert text.count("plotly.js v") == 1
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', rest) == []
    assert "http://" not in rest
    assert "https://" not in rest
    assert "@import" not in rest
    assert "default-src 'none'" in rest


def test_every_figure_of_the_page_has_its_data_and_words(text):
    holders = re.findall(r'data-plot="data-([^"]+)"[^>]*role="img" aria-label="([^"]+)"', text)
    assert len(holders) >= 12
    assert {name for name, _ in holders} == set(figures_of(text))
    assert all(re.search(r"\d", said) for _, said in holders)


def test_every_figure_is_valid_for_plotly(text):
    for spec in figures_of(text).values():
        figures_plot.library("plotly.graph_objects").Figure(spec)


def test_every_statistic_is_in_the_page_with_its_formula(run, text):
    for numbers in groups(run).values():
        for one in numbers:
            assert shown(text, one.key) == f"{one.text} {one.unit}".strip(), one.key
            assert f'data-tip="{html.escape(one.formula)}"' in text


def test_key_figures_are_those_of_the_statistics(run, text):
    stats = run.stats
    found = {one.key: one for one in key_numbers(run)}
    for key, label in (
        ("net_pnl", "Net profit [quote]"),
        ("max_drawdown_pct", "Max drawdown [%]"),
        ("maker_ratio_pct", "Maker ratio [%]"),
        ("n_fills", "Fills"),
    ):
        value = float(stats[label])
        read = float(found[key].text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
        assert read == pytest.approx(value, rel=1e-3)
        card = re.search(rf'<div class="key" data-key="{key}">.*?<dd[^>]*>([^<]*)', text)
        assert card[1].strip() == found[key].text
    net = float(stats["Net profit [quote]"])
    assert found["net_pnl"].sign == (net > 0) - (net < 0)


def test_header_names_code_data_models_and_seed(text):
    rest = without_library(text)
    for said in ("Maker", "0123456789abcdef", "fedcba9876543210", "risk_averse", "livekit 0.3.0"):
        assert said in rest
    for said in (
        "half_spread",
        "feed 0, order 2 ms, response 2 ms",
        "-0.5 bps (rebate)",
        "432,100",
    ):
        assert said in rest
    assert "2026-01-05 00:00:00 to 2026-01-06 00:00:00 UTC" in rest
    assert "Partial run" not in rest


def test_partial_run_says_so_in_a_banner():
    rest = without_library(page(synthetic_run.made_run(30, changes={"is_partial": True})))
    assert '<p class="banner" role="status"><strong>Partial run.</strong>' in rest


def test_text_of_users_is_escaped_everywhere():
    changes = {
        "name": NASTY,
        "strategy": NASTY,
        "kind": NASTY,
        "file": NASTY,
        "code_hash": NASTY,
        "params": {NASTY: NASTY},
        "models": {NASTY: NASTY},
        "counts": {"events": 1, "rejects": {NASTY: 2}, NASTY: 3},
        "version": NASTY,
    }
    run = synthetic_run.made_run(200, changes=changes)
    run.meta["instruments"][0]["symbol"] = NASTY
    run.meta["data"]["gaps"][0] |= {"symbol": NASTY, "lost": {NASTY: 1}}
    run = Run(run.meta, run.order_rows, run.fill_rows, run.equity_rows)
    rest = without_library(page(run))
    assert "<script>alert" not in rest
    assert "<img" not in rest
    assert html.escape(NASTY) in rest
    # The page's own elements, and no other: data of figures, colours, settings, two scripts.
    assert rest.count("<script") == rest.count("</script>") == len(figures_of(rest)) + 4


@pytest.mark.parametrize("n_fills", [0, 1])
def test_short_run_has_a_reason_where_it_has_no_figure(n_fills):
    run = synthetic_run.made_run(n_fills, n_samples=2)
    rest = without_library(page(run))
    reasons = re.findall(r'<p class="reason">([^<]+)</p>', rest)
    assert reasons
    assert all(one.strip().endswith(".") for one in reasons)
    assert "nan" not in re.sub(r"<[^>]*>", " ", rest.split("<script")[0]).lower().split()


def test_run_without_anything_still_has_a_report():
    orders, fills, equity, _ = synthetic_run.rows(0, n_samples=2)
    rest = without_library(page(Run({"name": "bare"}, orders, fills, equity[:0])))
    assert "The run lists no instruments." in rest


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(random_runs.runs())
def test_any_consistent_run_has_a_report(run):
    rest = page(run)
    for spec in figures_of(rest).values():
        assert spec["data"]


def test_report_replaces_its_file_and_leaves_no_other(run, tmp_path):
    target = tmp_path / "out.html"
    target.write_text("old")
    assert report(run, target) == target
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [one.name for one in tmp_path.iterdir()] == ["out.html"]


@pytest.mark.parametrize("where", ["missing/out.html", "folder"])
def test_report_that_cannot_be_written_is_refused(run, tmp_path, where):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        report(run, tmp_path / where)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_missing_plotly_is_named_with_what_to_install():
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "from livekit.errors import ConfigError\n"
        "from livekit.research.report import figures, figures_plot, html\n"
        "try:\n    figures_plot.plotly_js()\n"
        "except ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'livekit-trading[report]'" in done.stdout, done.stderr


# The command.


@pytest.fixture
def saved(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return run.save(tmp_path / "state" / "runs" / "maker-1")


def command(capsys, *arguments):
    code = main(["report", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command_finds_a_run_by_name_and_by_path(capsys, saved, run, tmp_path):
    code, out, _ = command(capsys, "maker-1", "--json")
    assert code == 0
    made = tmp_path / "maker-1.html"
    assert json.loads(out) == {
        "run": str(saved),
        "hash": run.hash,
        "report": "maker-1.html",
        "bytes": made.stat().st_size,
    }
    code, out, _ = command(capsys, saved, "--out", tmp_path / "b.html")
    assert (code, (tmp_path / "b.html").read_bytes()) == (0, made.read_bytes())
    assert "b.html written" in out


def test_command_opens_the_browser_when_asked(capsys, saved, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or True)
    assert command(capsys, "maker-1", "--open")[0] == 0
    assert opened == [(tmp_path / "maker-1.html").as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    code, _, err = command(capsys, "maker-1", "--open")
    assert (code, "open 'maker-1.html' yourself" in err) == (4, True)


@pytest.mark.parametrize("name", ["nothing", "", "..", "no/such/folder"])
def test_command_ends_with_2_for_an_unknown_run(capsys, saved, tmp_path, name):
    code, _, err = command(capsys, name)
    assert (code, "there is no saved run" in err) == (2, True)
    assert not list(tmp_path.glob("*.html"))


def test_command_ends_with_1_for_a_broken_run(capsys, saved, tmp_path):
    (saved / "fills.parquet").write_bytes(b"broken")
    code, _, err = command(capsys, "maker-1")
    assert (code, "cannot be read" in err) == (1, True)
    assert not list(tmp_path.glob("*.html"))


def test_command_ends_with_4_for_a_place_it_cannot_write(capsys, saved, tmp_path):
    code, out, _ = command(capsys, "maker-1", "--out", tmp_path / "no" / "x.html", "--json")
    assert (code, json.loads(out)["error"]["class"]) == (4, "ConfigError")
