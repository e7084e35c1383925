"""The dashboard in real browsers: what a trader presses, the engine does.

JupyterLab in a headless Chromium that can reach this machine only. Asked of the engine
itself, over its control socket or out of its shared memory, never of the page alone.
"""

import json
from pathlib import Path

import pytest
from engines import Engines, eventually, row, status, write_recording
from pages import OtherPage, OtherServer, write_notebook

from livekit.engine.attach import AttachRequest, attach
from livekit.engine.audit import read_audit
from livekit.engine.folder import engine_folder
from livekit.ring.segment import Segment

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
SHOW = "from livekit.notebook.dashboard import dashboard\ndesk = dashboard()\ndesk"
BUSY = """() => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    window.isCellDone = false;
    const cell = kernel.requestExecute({code: 'import time; time.sleep(6)'});
    cell.done.then(() => { window.isCellDone = true; });
    return new Promise(started => { cell.onIOPub = message => {
        if (message.header.msg_type === 'execute_input') started();
    }; });
}"""
DARK = """() => window.jupyterapp.commands.execute(
    'apputils:change-theme', {theme: 'JupyterLab Dark'})"""
STATUS = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel?.status"
COUNT_DRAWS = """() => {
    const ask = window.requestAnimationFrame;
    window.nDraws = 0;
    window.requestAnimationFrame = call => { window.nDraws += 1; return ask.call(window, call); };
}"""
FRAMES = "() => Number(document.querySelector('.lk-desk')?.dataset.frames || 0)"


@pytest.fixture
def trading(own_world, monkeypatch, tmp_path_factory):
    """Run an engine with two strategies in the world of the tests' kernels."""
    for name, value in own_world.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("anywidget", reason="anywidget is in the notebook extra")
    recording = tmp_path_factory.getbasetemp() / "desk-recording"
    engines = Engines(recording if recording.exists() else write_recording(recording))
    engines.start(speed="0.5", wait_for=2)
    for name in ("one", "two"):
        attach("main", AttachRequest(HERE / "quoting.py", name=name))
    eventually(lambda: row("two")["fills"] == 1 and row("one")["fills"] == 1, "both fills")
    yield engines
    engines.stop_all()


def shown(lab, lab_server, name="desk.ipynb"):
    """Open a notebook with a dashboard and wait for frames."""
    write_notebook(lab_server.root / name, SHOW)
    page = lab(name, size=(1400, 1700)).run_all()
    page.eventually(lambda: page.page.evaluate(FRAMES) > 5, "frames")
    return page


def assert_draws_when_told(page):
    """Check that the page draws some times a message: sixty times a second is eight each."""
    page.page.evaluate(COUNT_DRAWS)
    before = page.page.evaluate(FRAMES)
    page.eventually(lambda: page.page.evaluate(FRAMES) >= before + 10, "frames")
    n_draws, n_frames = page.page.evaluate("window.nDraws"), page.page.evaluate(FRAMES) - before
    assert n_frames < n_draws < 5 * n_frames


def said(page, text):
    page.page.locator(".lk-desk .said", has_text=text).wait_for(timeout=20_000)


def test_halt_stops_the_engine_while_the_kernel_runs_a_cell(lab, lab_server, trading):
    page = shown(lab, lab_server)
    desk = page.page.locator(".lk-desk")
    page.page.locator(".road[data-road=direct]").wait_for(timeout=20_000)
    page.page.evaluate(BUSY)
    desk.get_by_role("button", name="HALT").click()
    eventually(lambda: status()["trading"] == "HALTED", "the halt", 3.0)
    said(page, "directly")
    assert page.page.evaluate("window.isCellDone") is False
    desk.locator(".badge[data-trading=HALTED]").wait_for(timeout=5_000)
    (kill,) = [line for line in read_audit("main") if line["verb"] == "kill"]
    assert kill["by"] == f"page {lab_server.base}"
    assert kill["orders_canceled"] == 2
    assert "token" not in json.dumps(read_audit("main"))


def test_desk_cancels_changes_parameters_and_flattens_by_mouse_and_keys(lab, lab_server, trading):
    page = shown(lab, lab_server)
    desk = page.page.locator(".lk-desk")
    page.page.locator(".lk-desk .orders [data-open='2']").wait_for(timeout=20_000)
    assert_draws_when_told(page)
    desk.get_by_role("button", name="Cancel buy 0.01 BTC-USDT of one").click()
    eventually(lambda: not open_orders("one"), "the cancellation")
    assert open_orders("two")
    page.page.locator(".lk-desk .orders [data-open='1']").wait_for(timeout=20_000)

    value = desk.get_by_label("size of two", exact=True)
    value.fill("0.05")
    value.press("Enter")
    eventually(lambda: param("two", "size") == 0.05, "the parameter")
    said(page, "two: size = 0.05")
    eventually(lambda: state("two")["params_seen"] == 1, "the strategy's next event")
    desk.get_by_role("button", name="Undo the last change of two").click()
    eventually(lambda: param("two", "size") == 0.01, "the undoing")
    value.fill("7")
    value.press("Enter")
    eventually(lambda: param("two", "size") == 1.0, "the bound")

    desk.get_by_role("button", name="Flatten").click()
    assert status()["trading"] == "ACTIVE"  # the first click only arms
    desk.get_by_role("button", name="Sure? Flatten").click()
    eventually(lambda: row("one")["position"] == {} and row("two")["position"] == {}, "flat")
    assert status()["trading"] == "REDUCING"
    desk.get_by_role("button", name="Resume").click()
    eventually(lambda: status()["trading"] == "ACTIVE", "the resumption")
    verbs = [line["verb"] for line in read_audit("main")]
    check_controls(page)
    assert verbs[-6:] == ["cancel", "params", "params", "params", "flatten", "resume"]


def test_strategies_never_pause_while_page_and_kernel_are_restarted(lab, lab_server, trading):
    page = shown(lab, lab_server)
    check_reload(page, lab_server)
    names = ("one", "two")
    before = {name: row(name) for name in names}
    old = page.execute("import os; print(os.getpid())")
    page.page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").first.click()
    page.page.locator('.lm-Menu-item[data-command="kernelmenu:restart"]').first.click()
    page.page.locator(".jp-Dialog .jp-mod-accept").click()
    seen = [counted()]

    def is_another():
        seen.append(counted())
        return page.page.evaluate(STATUS) == "idle" and len(seen) > 10

    page.eventually(is_another, "the new kernel")
    page.page.locator(".lk-desk .stale").wait_for(timeout=10_000)  # the old view says so
    page.wait_ready()
    page.run_all()
    page.eventually(lambda: page.page.evaluate(FRAMES) > 5, "frames of the new kernel")
    assert page.execute("import os; print(os.getpid())") != old
    seen.append(counted())
    after = {name: row(name) for name in names}
    for name in names:
        assert after[name]["pid"] == before[name]["pid"]
        assert after[name]["dropped"] == 0
        assert after[name]["received"] > before[name]["received"]
    # Looked at all along: the counts of both only ever rose, and rose by much.
    for one in range(2):
        counts = [look[one] for look in seen]
        assert counts == sorted(counts)
        assert counts[-1] - counts[0] > 100
    assert (
        page.page.evaluate("() => document.querySelectorAll('.lk-desk .chart canvas').length") > 0
    )
    assert int(page.page.locator(".lk-desk .chart").get_attribute("data-fills")) == 2
    assert page.errors() == []


@pytest.mark.parametrize("app", ["notebook", "voila"])
def test_other_notebooks_open_the_desk(app, browser, own_world, trading, tmp_path):
    pytest.importorskip(app, reason=f"{app} is in the dev extra")
    root, state = tmp_path / "root", tmp_path / "state"
    root.mkdir()
    state.mkdir()
    write_notebook(root / "desk.ipynb", SHOW)
    server = OtherServer(app, root, state, own_world).start()
    try:
        page = OtherPage(browser, server, size=(1400, 1200)).open("desk.ipynb")
        if app == "notebook":
            page.run_all()
        page.page.wait_for_function(f"() => ({FRAMES})() > 5", timeout=60_000)
        page.page.locator(".lk-desk").get_by_role("button", name="Pause").click()
        eventually(lambda: status()["trading"] == "PAUSED", "the pause")
        page.close()
    finally:
        server.stop()


# Parts of the tests above.


def check_controls(page):
    """See that every control has a name, and that keys reach and press the risk buttons."""
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll('.lk-desk button, .lk-desk input, .lk-desk select')]
            .filter(e => !e.closest('[hidden]'))
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()
                || (e.id && document.querySelector(`label[for="${e.id}"]`))))
            .map(e => e.outerHTML)"""
    )
    assert nameless == []
    page.page.locator(".lk-desk button.pause").focus()
    names = []
    for _ in range(3):
        page.page.keyboard.press("Tab")
        names.append(page.page.evaluate("() => document.activeElement.className"))
    assert names == ["reduce", "flatten", "halt"]
    page.page.keyboard.press("Shift+Tab")
    page.page.keyboard.press("Shift+Tab")
    page.page.keyboard.press("Enter")
    eventually(lambda: status()["trading"] == "REDUCING", "the key's command")
    page.page.evaluate(DARK)
    page.page.locator(".lk-desk.dark").wait_for(timeout=10_000)


def check_reload(page, lab_server):
    """See one object in two views, alive after a reload, and no token in what is saved."""
    assert page.execute("print(dashboard() is desk, dashboard(parts=['price']) is desk)") == (
        "True False\n"
    )
    page.page.locator(".jp-CodeCell").first.click()
    page.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    for _ in range(3):
        page.page.reload(wait_until="domcontentloaded")
        page.page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        page.wait_ready()
        page.eventually(lambda: page.page.evaluate(FRAMES) > 5, "frames")
    assert page.execute("print(desk.n_frames > 5, desk.fault == '')") == "True True\n"
    saved = (lab_server.root / "desk.ipynb").read_text()
    door = json.loads((engine_folder("main") / "_door").read_text())
    assert door["token"] not in saved


# What the engine and its strategies say of themselves.


def segment(name):
    return Segment.attach(engine_folder("main") / name)


def counted():
    """Return how many events each strategy has handled, read out of its own memory."""
    return [int(segment(name).strategy_counters["received"].sum()) for name in ("one", "two")]


def state(name):
    from livekit.ring.state import state_of

    return state_of(segment(name))["state"]


def param(name, which):
    from livekit.ring.state import state_of

    return state_of(segment(name))["params"][which]


def open_orders(name):
    from livekit.notebook.views import EngineView

    return [order for order in EngineView("main").account().orders if order["strategy"] == name]
