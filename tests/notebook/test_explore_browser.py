"""The explorer in Notebook 7 and in Voila: what a slider is put on is what is drawn.

In JupyterLab the quickstart is dragged through (test_quickstart_browser).
"""

import re

import lab as labs
import pytest
from pages import OtherPage, OtherServer, write_notebook

import livekit as lk

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

FILE = labs.ROOT / "strategies" / "ema_cross.py"
DATA = labs.ROOT / "replay_data"
SHOW = f"""import livekit as lk
explorer = lk.explore({str(FILE)!r}, lk.load({str(DATA)!r}, symbols="BTC-USDT"))
explorer"""
FOCUSED = """() => {
    const one = document.activeElement;
    const label = one.labels && one.labels[0];
    return one.getAttribute('aria-label') || (label && label.title) || one.textContent.trim();
}"""


@pytest.mark.parametrize("app", ["notebook", "voila"])
def test_other_notebooks_draw_what_the_slider_is_put_on(app, browser, own_world, tmp_path):
    pytest.importorskip(app, reason=f"{app} is in the dev extra")
    pytest.importorskip("ipywidgets", reason="ipywidgets is in the notebook extra")
    root, state = tmp_path / "root", tmp_path / "state"
    root.mkdir()
    state.mkdir()
    write_notebook(root / "explore.ipynb", SHOW)
    server = OtherServer(app, root, state, own_world).start()
    try:
        page = OtherPage(browser, server, size=(1280, 900)).open("explore.ipynb")
        if app == "notebook":
            page.run_all()
        explorer = page.page.locator(".lk-explore")
        explorer.locator(".lk-figure").wait_for(timeout=60_000)
        check_slider(page, explorer)
        check_reach(page, explorer)
        page.close()
    finally:
        server.stop()


def net(explorer):
    text = explorer.locator(".lk-value").first.text_content()
    return float(re.fullmatch(r"net ([-+][\d,.]+)", text)[1].replace(",", ""))


def backtest(fast):
    data = lk.load(DATA, symbols="BTC-USDT")
    return lk.backtest(FILE, data, fast=fast, jit=True, progress=False).stat("net_pnl")


def check_slider(page, explorer):
    """See that keys on the slider change the number, and to what the backtest gives."""
    field = explorer.get_by_role("spinbutton", name="fast").first
    assert field.input_value() == "0.002"
    before = net(explorer)
    assert abs(before - backtest(0.002)) < 0.006
    slider = explorer.get_by_role("slider", name="fast", exact=True)
    slider.focus()
    for _ in range(5):
        page.page.keyboard.press("ArrowRight")
    page.eventually(lambda: float(field.input_value()) > 0.002, "the field's following")
    # Keys may still be on their way: the figure is to be that of wherever the slider is.
    page.eventually(
        lambda: abs(net(explorer) - backtest(float(field.input_value()))) < 0.006,
        "the value's figure",
    )
    assert float(field.input_value()) < 0.01
    assert net(explorer) != before


def check_reach(page, explorer):
    """See that every control has a name, and that Tab goes through them in their order."""
    explorer.get_by_role("slider", name="fast", exact=True).focus()
    names = [page.page.evaluate(FOCUSED)]
    for _ in range(9):
        page.page.keyboard.press("Tab")
        names.append(page.page.evaluate(FOCUSED))
    about = ("fast: ", "slow: ", "band_bps: ", "size: ")
    assert names[0:8:2] == ["fast", "slow", "band_bps", "size"]
    assert all(name.startswith(text) for name, text in zip(names[1:8:2], about, strict=True))
    assert names[8:] == ["Back to the defaults", "Write the attach call"]
