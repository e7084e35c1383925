"""A real Jupyter server and a real browser, offline, for tests of what a notebook shows."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # Else timers and frames stop on pages that nobody looks at.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-extensions",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
    # Offline: whatever is not here fails.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
SETTINGS = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"windowingMode": "none", "kernelShutdown": True},
}
# The toolbar says idle before the kernel's socket is open; a command sent then is lost.
READY = """async () => {
    const w = window.jupyterapp && window.jupyterapp.shell.currentWidget, sc = w && w.sessionContext;
    if (!sc) return false;
    await sc.ready;
    const k = sc.session && sc.session.kernel;
    if (!k) return false;
    await k.info;
    return k.connectionStatus === 'connected' && k.status === 'idle';
}"""
STARTED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
    .some(e => /[*\\d]/.test(e.textContent))"""


def need_browser():
    """Skip where there is no browser or no Jupyter to look at."""
    for package in ("playwright", "jupyterlab", "anywidget"):
        pytest.importorskip(package)
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium to look with")


def write_notebook(path, *cells):
    """Write a notebook of code cells."""
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    book.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    nbformat.write(book, path)
    return path


class Server:
    """JupyterLab, Notebook 7 or Voila with folders of its own."""

    def __init__(self, root, app="lab", theme="JupyterLab Light"):
        self.root, self.app = Path(root), app
        self.state = self.root / f".jupyter-{app}"
        self.token = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        settings = {**SETTINGS, "apputils-extension/themes": {"theme": theme}}
        for name, content in settings.items():
            package, plugin = name.split("/")
            path = (
                self.state / "settings" / "@jupyterlab" / package / f"{plugin}.jupyterlab-settings"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))

    def command(self):
        """Return the server's command line."""
        if self.app == "voila":
            options = ["--no-browser", f"--port={self.port}", "--Voila.ip=127.0.0.1"]
            return [sys.executable, "-m", "voila", *options, f"--Voila.root_dir={self.root}", "."]
        options = [
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.open_browser=False",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.allow_root=True",
            "--ServerApp.terminals_enabled=False",
        ]
        if self.app == "notebook":
            options.append("--JupyterNotebookApp.expose_app_in_browser=True")
            return [sys.executable, "-m", "notebook", *options]
        options += [
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            "--LabApp.expose_app_in_browser=True",
        ]
        return [sys.executable, "-m", "jupyterlab", *options]

    def __enter__(self):
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        env = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
        env |= {name: str(self.state / folder) for name, folder in folders.items()}
        with (self.state / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.root,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        path = "/" if self.app == "voila" else "/api/status"
        while True:
            log = (self.state / "server.log").read_text()
            assert self.process.poll() is None, log[-3000:]
            assert time.monotonic() < deadline, log[-3000:]
            with contextlib.suppress(OSError):
                self.ask(path)
                return self
            time.sleep(0.1)

    def ask(self, path, method="GET"):
        """Ask the server's own API."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.base + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()

    def __exit__(self, *_):
        if self.app != "voila":
            with contextlib.suppress(OSError, ValueError):
                for kernel in json.loads(self.ask("/api/kernels")):
                    self.ask(f"/api/kernels/{kernel['id']}", "DELETE")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def browser(size=(1500, 1300), scale=1):
    """Give a page of a headless browser that can reach this machine only."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=FLAGS, chromium_sandbox=False
        )
        viewport = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, device_scale_factor=scale)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        try:
            yield page
        finally:
            chromium.close()


class Notebook:
    """One notebook, open in a page."""

    def __init__(self, page, server, name):
        self.page, self.server = page, server
        places = {
            "lab": f"/lab/workspaces/test/tree/{name}?token={server.token}&reset",
            "notebook": f"/notebooks/{name}?token={server.token}",
            "voila": f"/voila/render/{name}",
        }
        page.goto(server.base + places[server.app], wait_until="domcontentloaded")
        if server.app == "voila":
            return
        page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        self.await_kernel()
        if server.app == "lab":
            page.evaluate("window.jupyterapp.shell.collapseLeft()")

    def await_kernel(self):
        """Wait until the kernel is connected and idle."""
        deadline = time.monotonic() + 60
        while not self.page.evaluate(READY):
            assert time.monotonic() < deadline, "kernel not idle"
            time.sleep(0.05)

    def run_all(self):
        """Run all cells, as the menu does."""
        for _ in range(3):
            self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            for _ in range(60):
                if self.page.evaluate(STARTED):
                    return self
                time.sleep(0.05)
        raise AssertionError("cells never started")

    def execute(self, code, *, wait=True):
        """Run code in the notebook's kernel, beside its cells."""
        self.page.evaluate(
            """async ([code, wait]) => {
                const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const done = k.requestExecute({code}).done;
                if (wait) await done;
            }""",
            [code, wait],
        )
