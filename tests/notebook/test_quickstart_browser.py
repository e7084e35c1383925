"""The quickstart in JupyterLab, as a person runs it; its sliders; and the interrupt button."""

import re
import shutil

import lab as labs
import pytest

pytestmark = pytest.mark.process

SLOW = """import livekit as lk
data = lk.load("replay_data", symbols="BTC-USDT")
run = lk.backtest(Slow, data)
print("partial", run.meta["is_partial"])"""
STRATEGY = """%%strategy slow.py
import livekit as lk

class Slow(lk.Strategy):
    symbols = ("BTC-USDT",)
    n: int = 0

    def on_quote(self, quote):
        for _ in range(1000):
            self.n += 1
"""


def net_of(page):
    """Return the profit that the figure shows, and which drawing it is."""
    text = page.page.locator(".lk-figure .lk-value").first.text_content()
    number = page.page.locator(".lk-figure").get_attribute("data-n")
    return float(re.fullmatch(r"net ([-+][\d,.]+)", text)[1].replace(",", "")), int(number)


def value_of(page, name):
    return float(page.execute(f"print(explorer.params[{name!r}])"))


def shown_at(handle):
    """Return the value at which a logarithmic slider's handle stands in the page."""
    return 10 ** float(handle.get_attribute("aria-valuetext"))


def check_plot_keeps_its_height(page):
    """See that a window made narrower makes the figure narrower, and that it stays there."""
    plot = page.page.locator(".js-plotly-plot .main-svg").first
    before = plot.bounding_box()
    page.page.set_viewport_size({"width": 1100, "height": 1000})
    page.eventually(
        lambda: plot.bounding_box() and plot.bounding_box()["width"] < before["width"] - 100,
        "the narrower figure",
    )
    assert plot.bounding_box()["height"] == before["height"] > 500


def test_quickstart_runs_and_a_dragged_slider_moves_the_figure_and_the_kernel(lab, lab_server):
    shutil.copy(labs.ROOT / "notebooks" / "01_quickstart.ipynb", lab_server.root)
    page = lab("01_quickstart.ipynb").run_all(180)
    assert page.errors() == []
    check_plot_keeps_its_height(page)
    explorer = page.page.locator(".lk-explore")
    explorer.scroll_into_view_if_needed()
    before, drawn = net_of(page)
    assert value_of(page, "fast") == 0.004

    handle = explorer.locator(".noUi-handle").first
    box = handle.bounding_box()
    mouse = page.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    for step in range(1, 25):
        mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
        page.page.wait_for_timeout(16)
    mouse.up()
    # The front end holds a value back until the kernel has answered the one before it.
    page.eventually(
        lambda: value_of(page, "fast") == pytest.approx(shown_at(handle), abs=6e-5), "the drag"
    )
    dragged = value_of(page, "fast")
    assert dragged > 0.005
    page.eventually(lambda: page.execute("print(explorer.wait(20).problem)") == "\n", "the run")
    expected = float(page.execute("print(explorer.run.stat('net_pnl'))"))
    page.eventually(lambda: abs(net_of(page)[0] - expected) < 0.006, "the figure of the last value")
    assert net_of(page)[0] != before
    assert net_of(page)[1] >= drawn + 2

    # By the keyboard, and by typing: every control can be reached without a mouse.
    handle.focus()
    page.page.keyboard.press("ArrowLeft")
    page.eventually(lambda: value_of(page, "fast") < dragged, "one step to the left")
    field = explorer.locator("input[type=number]").first
    field.fill("0.0123")
    field.press("Enter")
    page.eventually(lambda: value_of(page, "fast") == 0.0123, "the typed value")
    field.fill("7")
    field.press("Enter")
    problem = explorer.locator(".lk-bad")
    problem.wait_for(timeout=30_000)
    assert "'fast' is 7.0, expected 0.0005 to 0.1" in problem.text_content()
    page.page.get_by_role("button", name="Write the attach call").click()
    text = explorer.locator("textarea")
    text.wait_for(timeout=10_000)
    page.eventually(
        lambda: text.input_value().startswith("lk.attach(QuickCross, fast=0.0123"), "the call"
    )


def test_interrupting_a_backtest_keeps_what_ran_and_is_no_error(lab, lab_server):
    import nbformat

    cells = ["%load_ext livekit", STRATEGY, SLOW]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made.metadata["kernelspec"] = kernel
    nbformat.write(made, lab_server.root / "slow.ipynb")
    page = lab("slow.ipynb").run_all(to_the_end=False)
    page.page.locator(".jp-OutputArea progress").wait_for(timeout=60_000)
    page.page.locator(
        '[data-command="notebook:interrupt-kernel"] , [title*="Interrupt"]'
    ).first.click()
    page.eventually(
        lambda: page.page.get_by_text("partial True", exact=True).count() == 1, "the partial run"
    )
    (said,) = page.eventually(page.errors, "the warning")
    assert re.match(r"backtest interrupted at event \d+ of 277204; the run is partial", said)
