"""``livekit bench notebook``: what a hand at a slider waits for, and a first plot.

Measured in the browser, where the user sits: from the key that moves the slider to the
frame that shows the new figure, through the page, the server, the kernel, a whole
backtest of a million quotes and back. The server and the browser are those of the tests,
so this runs from a clone.
Layer 5.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final

from livekit.bench.report import Row, make_row
from livekit.bundled import bundled
from livekit.errors import ConfigError

__all__ = ["notebook_rows"]

_MARKET: Final = """
import numpy as np
import livekit as lk
from livekit.events import QUOTE, Kind
from livekit.instruments import Instrument

n, rng = {n}, np.random.default_rng(1)
quotes = np.zeros(n, QUOTE)
quotes["kind"], quotes["sequence"] = Kind.QUOTE, np.arange(n)
times = 1_767_571_200_000_000_000 + np.arange(n) * (86_400_000_000_000 // n)
quotes["ts_event"] = quotes["ts_recv"] = times
mid = 90_000 + np.cumsum(rng.integers(-3, 4, n)) * 0.1
quotes["bid_price"], quotes["ask_price"] = np.round(mid, 1), np.round(mid + 0.1, 1)
quotes["bid_size"] = quotes["ask_size"] = 1.0
data = lk.Data.from_arrays(
    {{("BTC-USDT", "quote"): quotes}}, [Instrument("BTC-USDT", 0.1, 1e-5, 1e-5)]
)
"""
_EXPLORE: Final = "explorer = lk.explore({file!r}, data)\nexplorer"
_WATCH: Final = """() => {
    const area = document.querySelector('.lk-explore');
    window.lkTimes = [];
    window.lkCount = 0;
    let pressed = 0;
    const press = () => { if (!pressed) pressed = performance.now(); };
    area.addEventListener('keydown', press, true);
    const figure = area.querySelector('.lk-figure').parentElement;
    new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
        window.lkCount += 1;
        if (pressed) window.lkTimes.push(performance.now() - pressed);
        pressed = 0;
    }))).observe(figure, {childList: true});
}"""


def notebook_rows(*, quick: bool) -> list[Row]:
    """Return the rows of the benchmark.

    Parameters
    ----------
    quick : bool
        A tenth of the quotes and fewer repetitions.

    Raises
    ------
    ConfigError
        The browser or JupyterLab is missing; the message says which.
    NotFoundError
        There are no tests beside the package: run from a clone.
    """
    labs = _labs()
    n_quotes, n_presses = (100_000, 30) if quick else (1_000_000, 150)
    with tempfile.TemporaryDirectory(prefix="livekit-bench-") as folder, _own_world(Path(folder)):
        first_plot = [_first_plot(Path(folder), k) for k in range(1 if quick else 3)]
        waits, per_second = _slider(labs, Path(folder), n_quotes, n_presses)
    ordered = sorted(waits)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    slider = f"explore, slider to redrawn plot, {n_quotes:,} quotes"
    return [
        make_row(f"{slider}, p50", [statistics.median(ordered)], "ms"),
        make_row(f"{slider}, p95", [p95], "ms", target=("<=", 100.0)),
        make_row("explore, plots a second while dragged", [per_second], "1/s", target=(">=", 10.0)),
        make_row("import to first plot of 01_quickstart", first_plot, "s", target=("<=", 5.0)),
    ]


def _labs() -> Any:
    """Return the tests' own server and browser, once all that they need is there."""
    for package in ("jupyterlab", "ipywidgets", "playwright", "nbformat"):
        if util.find_spec(package) is None:
            raise ConfigError(
                f"{package} is not installed, and notebooks are measured in a browser; run "
                "pip install 'livekit-trading[notebook,dev]'"
            )
    place = bundled("tests/notebook/lab.py")
    spec = util.spec_from_file_location("livekit_bench_lab", place)
    assert spec is not None
    assert spec.loader is not None
    labs = util.module_from_spec(spec)
    spec.loader.exec_module(labs)
    if labs.CHROMIUM is None:
        raise ConfigError("no chromium is installed, and notebooks are measured in a browser")
    return labs


@contextmanager
def _own_world(folder: Path) -> Iterator[None]:
    """Give kernels engines, runs and a package path of their own."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = {
        "LIVEKIT_RUNTIME_DIR": str(folder / "runtime"),
        "LIVEKIT_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([root, *filter(None, known)])),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _first_plot(folder: Path, number: int) -> float:
    """Return the seconds from a fresh kernel's first cell to the quickstart's first figure."""
    text = bundled("notebooks/01_quickstart.ipynb").read_text(encoding="utf-8")
    cells = json.loads(text)["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    work = folder / f"quickstart-{number}"
    work.mkdir()
    start: Any = import_module("jupyter_client.manager").start_new_kernel
    manager, client = start(kernel_name="python3", cwd=str(work))
    try:
        began = time.perf_counter()
        for code in codes:
            if _shows_figure(client, code):
                return time.perf_counter() - began
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    raise ConfigError("the quickstart shows no figure")


def _shows_figure(client: Any, code: str) -> bool:
    """Run a cell; tell whether it showed a figure."""
    seen: list[bool] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "error":
            raise ConfigError(f"the quickstart failed: {content['ename']}: {content['evalue']}")
        seen.append(any("plotly" in kind for kind in content.get("data", ())))

    client.execute_interactive(code, timeout=60, output_hook=hear)
    return any(seen)


def _slider(labs: Any, folder: Path, n_quotes: int, n_presses: int) -> tuple[list[float], float]:
    """Return the waits of key presses in ms, and the figures a second of a drag."""
    cells = [
        _MARKET.format(n=n_quotes),
        _EXPLORE.format(file=str(bundled("strategies/ema_cross.py"))),
    ]
    root, state = folder / "root", folder / "server"
    root.mkdir()
    state.mkdir()
    _write(root / "bench.ipynb", cells)
    server = labs.Server(root, state, {}).start()
    playwright: Any = import_module("playwright.sync_api")
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=labs.CHROMIUM, headless=True, args=list(labs.FLAGS)
            )
            page = labs.Page(browser, server).open("bench.ipynb").run_all(180)
            page.page.locator(".lk-figure").wait_for(timeout=60_000)
            page.page.locator(".lk-explore").scroll_into_view_if_needed()
            page.page.evaluate(_WATCH)
            return _press(page, n_presses), _drag(page)
    finally:
        server.stop()


def _write(path: Path, cells: list[str]) -> None:
    kit: Any = import_module("nbformat")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = kit.v4.new_notebook(cells=[kit.v4.new_code_cell(text) for text in cells])
    made.metadata["kernelspec"] = kernel
    kit.write(made, path)


def _press(page: Any, n_presses: int) -> list[float]:
    """Press the slider to and fro, one press at a time; the first ones warm it up."""
    page.page.locator(".noUi-handle").first.focus()
    keys = ["ArrowRight"] * 10 + ["ArrowLeft"] * 10
    for number in range(n_presses):
        page.page.keyboard.press(keys[number % len(keys)])
        _until(page, "() => window.lkTimes.length", number + 1)
    times: list[float] = page.page.evaluate("() => window.lkTimes")
    return times[10:]


def _drag(page: Any, seconds: float = 3.0) -> float:
    """Drag the slider for a while, a move a frame; return the figures a second."""
    box = page.page.locator(".noUi-handle").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = page.page.mouse
    mouse.move(x, y)
    mouse.down()
    before, began, step = page.page.evaluate("() => window.lkCount"), time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step += 1
        mouse.move(x + step % 40, y)
        page.page.wait_for_timeout(16)
    spent = time.perf_counter() - began
    mouse.up()
    drawn: int = page.page.evaluate("() => window.lkCount") - before
    return drawn / spent


def _until(page: Any, expression: str, wanted: int, timeout_s: float = 30.0) -> None:
    page.eventually(lambda: page.page.evaluate(expression) >= wanted, f"figure {wanted}", timeout_s)
