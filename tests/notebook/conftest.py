"""One JupyterLab and one browser for all tests of the notebook side.

`lab` opens a notebook in a page; kernels inherit folders that the tests own.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))

import lab as labs


@pytest.fixture(scope="session")
def own_world(tmp_path_factory):
    """Give folders for engines, runs and notebooks, and the variables that say so."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    runtime = Path(tempfile.mkdtemp(prefix="livekit-lab-", dir=base))
    state = tmp_path_factory.mktemp("lab")
    yield {"LIVEKIT_RUNTIME_DIR": str(runtime), "LIVEKIT_STATE_DIR": str(state / "livekit")}
    shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def lab_server(own_world, tmp_path_factory):
    """Start JupyterLab on an empty folder; its path is `lab_server.root`."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is in the notebook extra")
    pytest.importorskip("ipywidgets", reason="ipywidgets is in the notebook extra")
    if labs.CHROMIUM is None:
        pytest.skip("no chromium is installed")
    root, state = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("server")
    server = labs.Server(root, state, own_world).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    """Start Chromium; its driver keeps an event loop in this thread, so it must end with us."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is in the dev extra")
    if labs.CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with driver.sync_playwright() as playwright:
        one = playwright.chromium.launch(
            executable_path=labs.CHROMIUM, headless=True, args=list(labs.FLAGS)
        )
        yield one
        one.close()


@pytest.fixture
def lab(lab_server, browser):
    """Give a function that opens a notebook; every request must go to the server."""
    pages = []

    def opening(name, **options):
        pages.append(labs.Page(browser, lab_server, **options))
        return pages[-1].open(name)

    yield opening
    offsite = [url for page in pages for url in page.offsite]
    for page in pages:
        page.close()
    lab_server.stop_kernels()
    assert offsite == []
