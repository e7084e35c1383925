"""``livekit bench notebook``, the dashboard: what it costs its kernel, and the engine.

An engine replays the bundled day of two instruments to three strategies; a JupyterLab
shows the whole dashboard in a real browser. The engine is measured with and without
frames in turns, in one run: its histogram of what an event costs, window by window.
Server and browser are those of the tests, so this runs from a clone.
Layer 5.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench.report import Row, make_row
from livekit.bundled import bundled
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.folder import engine_folder
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.errors import ConfigError
from livekit.ring.counters import percentile
from livekit.ring.directory import EngineSegment

__all__ = ["dashboard_rows"]

_ENGINE: Final = "bench"
_SHOW: Final = f"import livekit as lk\ndesk = lk.dashboard({_ENGINE!r})\ndesk"
_PID: Final = "import os; print(os.getpid())"
_OFF: Final = "from livekit.notebook.beating import beat; beat.remove(id(desk))"
_ON: Final = "beat.add(id(desk), desk._beat)"
_FRAMES: Final = "() => Number(document.querySelector('.lk-desk')?.dataset.frames || 0)"
_SETTLE_S: Final = 10.0
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


def dashboard_rows(*, quick: bool = False, minutes: float = 30.0) -> list[Row]:
    """Return the rows of the benchmark.

    Parameters
    ----------
    quick : bool
        Short windows, and one minute of memory.
    minutes : float
        How long the kernel's memory is watched.

    Raises
    ------
    ConfigError
        The browser or JupyterLab is missing; the message says which.
    NotFoundError
        There are no tests beside the package: run from a clone.
    """
    labs = _labs()
    n_windows, window_s = (3, 4.0) if quick else (9, 8.0)
    watched_s = 60.0 if quick else 60.0 * minutes
    with (
        tempfile.TemporaryDirectory(prefix="livekit-bench-") as folder,
        _world(Path(folder)),
        _open_desk(labs, Path(folder)) as page,
    ):
        page.page.wait_for_timeout(1000 * _SETTLE_S)
        kernel = int(page.execute(_PID))
        with_desk, without, shares, rates = _in_turns(page, kernel, n_windows, window_s)
        growth = _growth(page, kernel, watched_s)
    return [
        make_row("dashboard, frames a second", rates, "1/s"),
        make_row("dashboard, kernel's share of a core", shares, "%", target=("<=", 10.0)),
        make_row(
            "engine, cost of an event with a dashboard, p99",
            with_desk,
            "µs",
            peer="no dashboard",
            peer_values=without,
            in_turns=True,
            target=("<=", 1.25),
        ),
        make_row(
            f"kernel, memory grown in {watched_s / 60:g} minutes at 10 Hz",
            [growth],
            "MB",
            target=("<=", 20.0),
        ),
    ]


def _labs() -> Any:
    """Return the tests' own server and browser, once all that they need is there."""
    for package in ("jupyterlab", "anywidget", "playwright", "nbformat"):
        if util.find_spec(package) is None:
            raise ConfigError(
                f"{package} is not installed, and the dashboard is measured in a browser; run "
                "pip install 'livekit-trading[notebook,dev]'"
            )
    spec = util.spec_from_file_location("livekit_desk_lab", bundled("tests/notebook/lab.py"))
    assert spec is not None
    assert spec.loader is not None
    labs = util.module_from_spec(spec)
    spec.loader.exec_module(labs)
    if labs.CHROMIUM is None:
        raise ConfigError("no chromium is installed, and the dashboard is measured in a browser")
    return labs


@contextmanager
def _world(folder: Path) -> Iterator[None]:
    """Run an engine with three strategies, in folders of its own."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = {
        "LIVEKIT_RUNTIME_DIR": str(folder / "runtime"),
        "LIVEKIT_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([root, *filter(None, known)])),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    data = str(bundled("replay_data").resolve())
    start_engine(EngineSettings(name=_ENGINE, data=data, speed="40", wait_for=3))
    try:
        for file in ("momentum", "mean_reversion", "ema_cross"):
            attach(_ENGINE, AttachRequest(bundled("strategies") / f"{file}.py"))
        yield
    finally:
        stop_engine(_ENGINE, force=True)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _open_desk(labs: Any, folder: Path) -> Iterator[Any]:
    """Open a notebook that shows the whole dashboard; give its page."""
    kit: Any = import_module("nbformat")
    root, state = folder / "root", folder / "server"
    root.mkdir()
    state.mkdir()
    made = kit.v4.new_notebook(cells=[kit.v4.new_code_cell(_SHOW)])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made.metadata["kernelspec"] = kernel
    kit.write(made, root / "desk.ipynb")
    server = labs.Server(root, state, {}).start()
    playwright: Any = import_module("playwright.sync_api")
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=labs.CHROMIUM, headless=True, args=list(labs.FLAGS)
            )
            page = labs.Page(browser, server, size=(1500, 1500)).open("desk.ipynb").run_all()
            page.page.locator(".lk-desk").scroll_into_view_if_needed()
            page.page.wait_for_function(f"() => ({_FRAMES})() > 20", timeout=60_000)
            yield page
    finally:
        server.stop()


def _in_turns(
    page: Any, kernel: int, n_windows: int, window_s: float
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return p99 with and without frames (µs), the kernel's shares (%) and frames a second."""
    tick = EngineSegment.attach(engine_folder(_ENGINE)).header["tick"]
    with_desk, without, shares, rates = [], [], [], []
    for _ in range(n_windows):
        began, spent, frames = time.monotonic(), _cpu_s(kernel), page.page.evaluate(_FRAMES)
        with_desk.append(_p99_us(page, tick, window_s))
        passed = time.monotonic() - began
        shares.append(100 * (_cpu_s(kernel) - spent) / passed)
        rates.append((page.page.evaluate(_FRAMES) - frames) / passed)
        page.execute(_OFF)
        without.append(_p99_us(page, tick, window_s))
        page.execute(_ON)
        page.page.wait_for_timeout(500)
    return with_desk, without, shares, rates


def _p99_us(page: Any, tick: np.ndarray, window_s: float) -> float:
    before = tick.copy()
    page.page.wait_for_timeout(1000 * window_s)
    return percentile(tick - before, 0.99) / 1e3


def _growth(page: Any, kernel: int, watched_s: float) -> float:
    """Return by how many MB the kernel grew: medians of its first and last looks."""
    looks = []
    for _ in range(max(10, int(watched_s / 2))):
        looks.append(_resident_mb(kernel))
        page.page.wait_for_timeout(2000 if watched_s > 20 else 1000 * watched_s / 10)
    part = max(1, len(looks) // 10)
    return statistics.median(looks[-part:]) - statistics.median(looks[:part])


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and its threads, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def _resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(one for one in text.splitlines() if one.startswith("Private_Dirty"))
    return int(line.split()[1]) / 1024
