"""Kernels come and go: what trades does not notice, and the next kernel finds it.

A kernel of a real notebook is interrupted, and killed with SIGKILL while a strategy
trades; the strategy's count of events is looked at from outside all the while.
"""

import os
import re
import signal
import time

import pytest
from engines import eventually, row

import livekit as lk
from livekit.engine.folder import is_running

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("default")]

STRATEGY = """%load_ext livekit
import livekit as lk, signal, threading

def world():
    threads = sorted(one.name for one in threading.enumerate())
    return threads, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

before = world()
"""
CELL = """%%strategy counter.py
import livekit as lk

class Counter(lk.Strategy):
    symbols = ("BTC-USDT",)
    pause = lk.Param(0, 0, 1_000_000)
    n: int = 0

    def on_quote(self, quote):
        for _ in range(self.pause):
            self.n += 1
        self.n += 1
"""
SWEEP = """sweep = lk.sweep(Counter, lk.load({data!r}), pause=list(range(2000, 2060)), jit=False,
                 workers=1, progress=True)"""


class Kernel:
    """A kernel, and what its cells printed."""

    def __init__(self, folder):
        manager = pytest.importorskip("jupyter_client.manager")
        self.manager, self.client = manager.start_new_kernel(kernel_name="python3", cwd=str(folder))

    def begin(self, code):
        """Run a cell; return its message's id."""
        return self.client.execute(code)

    def finish(self, message_id, timeout_s=60):
        """Wait for a cell's end; return the text of all it showed."""
        texts = []
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                texts.append(content["text"])
            elif message["msg_type"] == "error":
                texts.append(f"{content['ename']}: {content['evalue']}")
            elif message["msg_type"] == "execute_result":
                texts.append(content["data"]["text/plain"])
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(texts)

    def watch(self, message_id, is_enough, timeout_s=60):
        """Wait until what a cell shows, as HTML, is enough."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            shown = message["content"].get("data", {}).get("text/html", "")
            if message["parent_header"].get("msg_id") == message_id and is_enough(shown):
                return

    def run(self, code):
        """Run a cell to its end."""
        return self.finish(self.begin(code))

    def kill(self):
        """Kill the kernel with SIGKILL; return when it is gone."""
        os.kill(self.manager.provisioner.process.pid, signal.SIGKILL)
        self.manager.provisioner.process.wait()
        self.close()

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def subshell(self, request, **content):
        """Ask for a shell beside the main one, or for its end; return the answer."""
        message = self.client.session.msg(f"{request}_subshell_request", content)
        self.client.control_channel.send(message)
        while True:
            answer = self.client.get_control_msg(timeout=20)
            if answer["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                return answer["content"]

    def put(self, model, value, subshell):
        """Set a widget's value as a page does, in the shell that the page names."""
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)


def stop():
    if is_running("main"):
        lk.engine().stop()


def share_of(text):
    """Return how far a bar of progress is."""
    found = re.search(r'value="([\d.]+)"', text)
    return float(found[1]) if found else 0.0


@pytest.fixture
def kernel(tmp_path):
    """Give a function that starts kernels in one folder."""
    started = []

    def start():
        started.append(Kernel(tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_strategy_trades_on_while_its_kernel_is_killed_and_the_next_one_finds_it(
    runtime_dir, recording, kernel
):
    first = kernel()
    start = f"engine = lk.engine(data={str(recording)!r}, speed=1, wait_for=1)\n"
    try:
        assert first.run(STRATEGY) == ""
        assert "Counter is counter.py" in first.run(CELL)
        assert "Counter" in first.run(start + "lk.attach(Counter)")
        first.kill()
        seen = eventually(lambda: row("counter")["received"], "an event")
        eventually(lambda: row("counter")["received"] > seen, "the next event")
        second = kernel()
        code = 'import livekit as lk\nlive = lk.attach("counter")\n'
        code += "print(lk.engine().status['state'], live.state.n > 0, live.manifest.strategy)"
        assert second.run(code) == "running True Counter\n"
        assert second.run("lk.detach('counter').meta['strategy']") == "'Counter'"
    finally:
        stop()


WIDGET = """import ipywidgets
from livekit.notebook.hearing import hear_pages
field = ipywidgets.IntText()
hear_pages(ipywidgets.HBox([field]))
print(field.model_id, end="")"""


def test_widget_hears_the_next_page_when_the_shell_of_the_last_one_has_ended(kernel):
    pytest.importorskip("ipywidgets", reason="ipywidgets is in the notebook extra")
    one = kernel()
    first = one.subshell("create")
    if first["status"] != "ok":
        pytest.skip("this ipykernel has one shell only")
    model = one.run(WIDGET)
    one.put(model, 1, first["subshell_id"])
    eventually(lambda: one.run("print(field.value)") == "1\n", "the first page's value")
    assert one.subshell("delete", subshell_id=first["subshell_id"])["status"] == "ok"
    one.put(model, 2, one.subshell("create")["subshell_id"])
    eventually(lambda: one.run("print(field.value)") == "2\n", "the next page's value")


def test_interrupted_sweep_keeps_what_was_done_and_the_engine_trades_on(
    runtime_dir, recording, kernel
):
    one = kernel()
    start = f"engine = lk.engine(data={str(recording)!r}, speed=1, wait_for=1)\n"
    try:
        one.run(STRATEGY)
        one.run(CELL)
        one.run(start + "live = lk.attach(Counter)")
        message = one.begin(SWEEP.format(data=str(recording)) + "\nprint('swept')")
        one.watch(message, lambda text: share_of(text) > 0.1)
        one.manager.interrupt_kernel()
        assert "swept\n" in one.finish(message)
        said = one.run("print(sweep.is_partial, 0 < len(sweep) < 60, engine.is_running)")
        assert said == "True True True\n"
        seen = row("counter")["received"]
        eventually(lambda: row("counter")["received"] > seen, "the next event")
        eventually(lambda: one.run("print(before == world())") == "True\n", "no thread of ours")
    finally:
        stop()
