"""A JupyterLab of the tests' own, in a real browser, and a page of it to act upon.

The server has folders of its own for everything (settings, kernels, engines, runs), opens
no news and no update, and saves nothing by itself. The browser resolves no name, so what
is fetched from anywhere but the server is seen, and does not come.
"""

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

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-extensions",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
SETTINGS = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "docmanager-extension/plugin": {"autosave": False},
    # All cells in the page, also those that are not on the screen.
    "notebook-extension/tracker": {"kernelShutdown": True, "windowingMode": "none"},
}
# "idle" in the toolbar may come before the kernel's socket is open, and a Run All that is
# sent then is dropped without a word.
READY = """async () => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    const context = panel && panel.sessionContext;
    if (!context) return false;
    await context.ready;
    const kernel = context.session && context.session.kernel;
    if (!kernel) return false;
    await kernel.info;
    return kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
STARTED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
    .some(prompt => /[*\\d]/.test(prompt.textContent))"""
FINISHED = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell')]
        .filter(cell => cell.querySelector('.cm-content').textContent.trim())
        .map(cell => cell.querySelector('.jp-InputPrompt').textContent);
    return prompts.length > 0 && prompts.every(text => /\\[\\d+\\]/.test(text));
}"""
ERRORS = """() => ['error', 'stderr'].flatMap(kind =>
    [...document.querySelectorAll(`[data-mime-type="application/vnd.jupyter.${kind}"]`)]
).map(output => output.textContent)"""
# A kernel drops what comes in right behind an error, and says so.
EXECUTE = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    while (true) {
        const future = kernel.requestExecute({code, store_history: false});
        let text = '';
        future.onIOPub = message => {
            const kind = message.header.msg_type;
            if (kind === 'stream') text += message.content.text;
            if (kind === 'error') text += message.content.ename + ': ' + message.content.evalue;
        };
        const reply = await future.done;
        if (reply.content.status !== 'aborted') return text;
    }
}"""


class Server:
    """A JupyterLab server on a folder of notebooks.

    Parameters
    ----------
    root : Path
        What it serves; kernels start in the folder of their notebook.
    state : Path
        A folder for all it keeps.
    environment : dict
        For the server, and so for its kernels.
    """

    def __init__(self, root, state, environment):
        self.root, self.state = Path(root), Path(state)
        self.port, self.token = _free_port(), secrets.token_hex(16)
        self.base = f"http://127.0.0.1:{self.port}"
        self._log = self.state / "server.log"
        self._environment = environment

    def start(self, timeout_s=60.0):
        """Start it and wait until it answers."""
        settings = self.state / "user-settings" / "@jupyterlab"
        for name, values in SETTINGS.items():
            path = settings / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.root,
                env=self._folders(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(OSError):
                self.get("/api/status")
                return self
            assert self.process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, self._log.read_text()[-3000:]
            time.sleep(0.05)

    def _command(self):
        server = {
            "ip": "127.0.0.1",
            "port": self.port,
            "port_retries": 0,
            "open_browser": False,
            "root_dir": self.root,
            "allow_root": True,
            "terminals_enabled": False,
        }
        lab = {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "extension_manager": "readonly",
            "expose_app_in_browser": True,
        }
        return [
            *(sys.executable, "-m", "jupyterlab", f"--IdentityProvider.token={self.token}"),
            *(f"--ServerApp.{name}={value}" for name, value in server.items()),
            *(f"--LabApp.{name}={value}" for name, value in lab.items()),
        ]

    def _folders(self):
        state = self.state
        return {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(state / "config"),
            "JUPYTER_DATA_DIR": str(state / "data"),
            "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
            "IPYTHONDIR": str(state / "ipython"),
            "JUPYTERLAB_SETTINGS_DIR": str(state / "user-settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **self._environment,
        }

    def get(self, path, method="GET"):
        """Ask the server for something; return its bytes."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.base + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()

    def kernels(self):
        """Return what the server says of its kernels."""
        return json.loads(self.get("/api/kernels"))

    def stop_kernels(self):
        """Shut down every kernel."""
        for kernel in self.kernels():
            self.get(f"/api/kernels/{kernel['id']}", "DELETE")

    def stop(self):
        """End it and its kernels."""
        with contextlib.suppress(OSError):
            self.stop_kernels()
        self.process.send_signal(signal.SIGTERM)  # SIGINT would ask a question first
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Page:
    """One notebook in the browser.

    Attributes
    ----------
    page : playwright.sync_api.Page
    offsite : list of str
        Addresses that were asked for and are not the server's.
    """

    def __init__(self, browser, server, size=(1400, 1000), scheme="light"):
        self.server = server
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        self.page = self._context.new_page()
        self.offsite = []
        # A page also talks to the engine's door, which is on this machine too.
        own = ("http://127.0.0.1:", server.base.replace("http", "ws"), "data:", "blob:")
        self.page.on(
            "request", lambda r: None if r.url.startswith(own) else self.offsite.append(r.url)
        )

    def close(self):
        """Close the tab; the kernel stays."""
        self._context.close()

    def open(self, name):
        """Open a notebook of the server's folder and wait for its kernel."""
        server, page = self.server, self.page
        page.goto(
            f"{server.base}/lab/workspaces/t{secrets.token_hex(4)}/tree/{name}"
            f"?token={server.token}&reset",
            wait_until="domcontentloaded",
        )
        page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        self.wait_ready()
        page.evaluate("window.jupyterapp.shell.collapseLeft()")
        return self

    def set_theme(self, name):
        """Choose ``JupyterLab Light`` or ``JupyterLab Dark``."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
            name,
        )
        wanted = str("Light" in name).lower()
        self.page.wait_for_selector(
            f"body[data-jp-theme-light={wanted}]", state="attached", timeout=20_000
        )

    def wait_ready(self, timeout_s=60.0):
        """Wait until the kernel is connected and idle."""
        self.eventually(lambda: self.page.evaluate(READY), "an idle kernel", timeout_s)

    def run_all(self, timeout_s=120.0, *, to_the_end=True):
        """Run all cells as a person does, by the menu; wait until each has its number."""
        for _ in range(3):
            self.page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
            self.page.locator(
                '.lm-Menu-item[data-command="notebook:run-all-cells"],'
                '.lm-Menu-item[data-command="runmenu:run-all"]'
            ).first.click()
            with contextlib.suppress(AssertionError):
                self.eventually(lambda: self.page.evaluate(STARTED), "a running cell", 3.0)
                break
        if to_the_end:
            self.eventually(
                lambda: self.page.evaluate(FINISHED) or self.errors(), "the last cell", timeout_s
            )
        return self

    def errors(self):
        """Return the texts of all outputs that are errors or warnings."""
        return self.page.evaluate(ERRORS)

    def execute(self, code):
        """Run code in the notebook's kernel, in no cell; return what it printed."""
        return self.page.evaluate(EXECUTE, code)

    def eventually(self, condition, what="condition", timeout_s=30.0):
        """Poll until `condition()` is true; return its value, or fail with the deadline."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f"{what} did not come within {timeout_s} s"
            self.page.wait_for_timeout(20)
        return value


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
