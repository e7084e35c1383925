"""The dashboard without a browser: its forms, what it is told, and what it refuses."""

import contextlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from engines import eventually, fork_strategy, reap_children, row, status

from livekit.engine.client import call
from livekit.engine.folder import engine_folder, is_running, log_path
from livekit.errors import ConfigError, NotRunningError
from livekit.notebook import dashboard as dashboards
from livekit.notebook.beating import Beat
from livekit.notebook.dashboard import PARTS, dashboard
from livekit.notebook.feeding import Feeding, LogTail, finite
from livekit.notebook.palette import desk_palette
from livekit.notebook.views import EngineView

pytestmark = [
    pytest.mark.process,
    # Widgets outside of a kernel talk to a comm that nobody hears.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

HERE = Path(__file__).parent


@pytest.fixture
def quoting(engine):
    """Run an engine with a strategy that holds a position and a resting order."""
    engine(speed="0.5", wait_for=1)
    facts = fork_strategy(HERE / "quoting.py", "one")
    eventually(lambda: row("one")["fills"] == 1, "the fill")
    yield facts
    dashboards._open.clear()
    with contextlib.suppress(NotRunningError):
        call("main", "stop")
    eventually(lambda: reap_children() or not is_running("main"), "the end")


def test_text_form_says_everything_and_what_became_of_it(quoting):
    desk = dashboard()
    assert desk is dashboard()
    text = repr(desk)
    for words in (
        "engine 'main' running, paper trading ACTIVE",
        "BTC-USDT",
        "one",
        "running",
        "buy",
    ):
        assert words in text
    assert "shown as text" not in text
    desk.pause()
    eventually(lambda: "trading PAUSED" in repr(desk), "the pause")
    desk.resume()
    os.kill(status()["pid"], signal.SIGKILL)
    eventually(lambda: "this is old" in repr(desk), "its own staleness")


def test_plain_form_shows_tables_and_obeys_buttons(quoting):
    widgets = pytest.importorskip("ipywidgets")
    desk = dashboard(form="plain")
    try:
        eventually(lambda: "ACTIVE" in desk._head.value, "the head")
        eventually(lambda: "positions" in desk._tables.value, "the tables")
        assert desk.fault == ""
        buttons = {b.description: b for b in desk.children[1].children}
        assert list(buttons) == ["Pause", "Resume", "Reduce", "Flatten", "HALT"]
        eventually(lambda: desk._orders.value.startswith("one/"), "the open order")
        desk.children[4].children[1].click()
        eventually(lambda: row("one")["orders"] and not desk_orders(), "the cancellation")
        (size,) = [s for s in desk._sliders.children if s.description == "one.size"]
        assert isinstance(size, widgets.FloatText)
        size.value = 0.5
        eventually(lambda: EngineView("main").strategies["one"].params()["size"] == 0.5, "size")
        buttons["Flatten"].click()
        assert buttons["Flatten"].description == "Sure? Flatten"
        buttons["Flatten"].click()
        eventually(lambda: row("one")["position"] == {}, "flat")
        buttons["HALT"].click()
        eventually(lambda: status()["trading"] == "HALTED", "the halt")
        eventually(lambda: "HALTED" in desk._head.value, "the halt's being shown")
    finally:
        desk.close()


def desk_orders():
    return EngineView("main").account().orders


def test_frames_hold_what_changed_and_the_greeting_everything(quoting):
    feeding = Feeding(EngineView("main"))
    greeting = feeding.greeting()
    assert [s["symbol"] for s in greeting["symbols"]] == ["BTC-USDT", "ETH-USDT"]
    assert any(r["last_quantity"] for r in greeting["reports"])
    assert greeting["prints"]
    assert any("registered name=one" in line for line in greeting["logs"])
    json.dumps(greeting, allow_nan=False)
    eventually(lambda: feeding.moment(1.0, "one")["orders"], "the order in a frame")
    first = feeding.frame()
    assert {"status", "market", "account", "strategies", "params", "latency"} <= set(first)
    os.kill(quoting["pid"], signal.SIGSTOP)
    os.kill(status()["pid"], signal.SIGSTOP)
    time.sleep(0.01)  # what was under way has been written
    for _ in range(12):
        feeding.frame()
    quiet = feeding.frame()
    assert set(quiet) <= {"kind", "beat", "status", "strategies"}  # hearts that do not beat
    os.kill(engine_pid(), signal.SIGCONT)
    os.kill(quoting["pid"], signal.SIGCONT)
    feeding.choose("ETH-USDT")
    assert feeding.greeting()["symbol"] == "ETH-USDT"
    eventually(lambda: feeding.frame().get("market", {}).get("symbol") == "ETH-USDT", "ETH-USDT")
    eventually(lambda: feeding.moment(1.0, "one")["state"]["seen"] >= 40, "its newest state")


def engine_pid():
    return int(EngineView("main").segment.file.prefix["engine_pid"])


def test_view_follows_the_engine_that_was_started_anew(quoting, engine):
    view = EngineView("main")
    assert not view.reopen()
    call("main", "stop")
    eventually(lambda: reap_children() or not engine_folder("main").exists(), "the end")
    eventually(lambda: view.status()["state"] == "gone", "its being seen")
    assert not view.reopen()
    engine(wait_for=1)
    assert view.reopen()
    assert view.status()["state"] == "held"
    assert view.strategies == {}


def test_without_an_engine_the_line_that_starts_one_is_offered(runtime_dir):
    with pytest.raises(NotRunningError, match=r"not running; start one with: lk.engine\(data="):
        dashboard()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": ["charts"]}, "part 'charts' is unknown; known are risk, price"),
        ({"form": "paper"}, "form 'paper' is unknown; use charts, plain or text"),
        ({"symbol": "DOGE", "form": "text"}, "symbol 'DOGE' is not served"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(engine, options, words):
    engine(wait_for=1)
    with pytest.raises(ConfigError, match=words):
        dashboard(**options)


def test_form_falls_back_with_the_line_that_mends_it(monkeypatch):
    monkeypatch.setattr(dashboards, "_in_a_kernel", lambda: True)
    versions = {"ipywidgets": "8.1.9", "anywidget": "0.11.0"}
    monkeypatch.setattr(dashboards, "version", versions.__getitem__)
    monkeypatch.setitem(sys.modules, "anywidget", sys)
    monkeypatch.setitem(sys.modules, "ipywidgets", sys)
    assert dashboards._best_form() == ("charts", "")
    versions["anywidget"] = "0.8.2"
    form, why = dashboards._best_form()
    assert (form, "anywidget 0.8.2 is too old: pip install 'anywidget>=0.9'" in why) == (
        "plain",
        True,
    )
    versions["ipywidgets"] = "7.8.1"
    form, why = dashboards._best_form()
    assert (form, "ipywidgets 7.8.1 is too old" in why) == ("text", True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert "ipywidgets is not installed" in dashboards._best_form()[1]
    monkeypatch.setattr(dashboards, "_in_a_kernel", lambda: False)
    assert dashboards._best_form() == ("text", "")


def test_beat_sleeps_while_nobody_watches_and_wakes_at_once():
    calls = []
    beat = Beat()
    beat.add(1, lambda: calls.append(time.monotonic()) or False)
    eventually(lambda: calls, "the first beat")
    beat.wake()
    eventually(lambda: len(calls) == 2, "a beat at once", 0.9)
    beat.remove(1)
    beat.wake()
    eventually(lambda: beat._thread is None, "the thread's end")


def test_log_is_followed_whole_lines_at_a_time(runtime_dir):
    path = log_path("main", "one")
    tail = LogTail(path)
    assert tail.read() == []
    path.write_text("a\nb\nc")
    assert tail.read(whole=True) == ["a", "b"]
    with path.open("a") as file:
        file.write("d\n")
    assert tail.read() == ["cd"]
    path.write_text("x" * 100_000 + "\nlast\n")
    assert tail.read(whole=True)[-1] == "last"


def test_numbers_that_json_does_not_know_become_nothing():
    assert finite({"a": [float("nan"), 1.0], "b": (float("inf"), "x")}) == {
        "a": [None, 1.0],
        "b": [None, "x"],
    }


def test_palette_has_every_colour_twice():
    light, _, dark = desk_palette().partition(".lk-desk.dark")
    colours = [set(re.findall(r"(--lk-\w+):#", text)) for text in (light, dark)]
    assert colours[0] == colours[1]
    assert {"--lk-buy", "--lk-sell", "--lk-card", "--lk-ink"} <= colours[0]


def test_parts_of_the_page_are_the_parts_that_may_be_asked_for():
    script = (HERE.parents[1] / "livekit/notebook/static/dashboard.js").read_text()
    for part in PARTS:
        assert part == "risk" or f"{part}: " in script.split("const PARTS")[1].split("};")[0]
