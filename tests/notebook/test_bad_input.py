"""What a person types wrong in a notebook, and the one sentence it answers with.

In a real kernel, and in IPython in a terminal, where widgets become text.
"""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("default")]

SETUP = """%load_ext livekit
import livekit as lk, threading, os
import json as plt
lock, f = threading.Lock(), lambda x: x + 1
os.makedirs("empty")
open("a_file", "w").close()"""
HEAD = "%%strategy s.py\nimport livekit as lk\n\n"
CLASS = """class S(lk.Strategy):
    symbols = ("BTC-USDT",)
    size = lk.Param(0.01, 0.001, 1.0)

    def on_quote(self, quote):
        """
START = "engine 'main' is not running; start one with: lk.engine(data=\"replay_data\", speed=60)"
CELLS = {
    "x = (1": "syntax error in line 9 of the cell: '(' was never closed",
    "plt.dumps(1)": "'plt' in line 9, a module that another cell imports: put 'import json as plt'",
    "f(1)": "'f' in line 9, a function that another cell defines: put its definition",
    "lock.acquire()": "a lock of the notebook, which no other process has: pass its numbers as",
}
LINES = {
    "lk.attach(S)": START,
    "lk.dashboard()": START,
    "lk.backtest(S, data, size=7)": "parameter 'size' is 7.0, expected 0.001 to 1.0; choose a",
    "lk.explore(S, data, size=7)": "parameter 'size' is 7.0, expected 0.001 to 1.0; choose a",
    "lk.backtest(S, data, sise=1)": "has no parameter 'sise'; did you mean 'size'?",
    "lk.backtest(S, 'replay_data')": "data is 'replay_data', expected recorded data such as",
    "lk.backtest(lambda q: 1, data)": "is no strategy class, expected a class that derives from",
    "lk.run('morning')": "there is no saved run 'morning' in",
    "lk.load('empty')": "no recorded data in 'empty'; make some with 'livekit data generate'",
    "lk.load('nowhere')": "folder 'nowhere' does not exist; make one with",
    "lk.load('a_file')": "folder 'a_file' is a file, not a folder; make one with",
    "lk.engine(data='empty')": "no recorded data in ",
}
SAVED = """run = lk.backtest(S, data["00:00":"00:30"], name="mornings")
run.save("runs/mornings-1")
lk.run("morning", folder="runs")"""
TERMINAL = """%load_ext livekit
import livekit as lk
get_ipython().run_cell_magic("strategy", "s.py", CELL)
data = lk.load({data!r}, symbols="BTC-USDT")
explorer = lk.explore(S, data, jit=False)
print("WIDGET", type(explorer.run).__name__)
explorer
lk.backtest(S, data)
"""


@pytest.fixture
def own_world(monkeypatch, tmp_path, runtime_dir):
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def cell(own_world):
    """Give a function that runs a cell in a kernel and returns what it shows."""
    manager = pytest.importorskip("jupyter_client.manager")
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(own_world))

    def run(code):
        shown = []

        def hear(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "error":
                shown.append(f"{len(content['traceback'])} {content['ename']}: {content['evalue']}")

        client.execute_interactive(code, output_hook=hear, timeout=60)
        return "".join(shown)

    yield run
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_everything_wrong_is_one_sentence_and_no_traceback(cell, own_world, recording):
    assert cell(SETUP) == ""
    refused = {HEAD + CLASS + line: words for line, words in CELLS.items()}
    refused[HEAD + "x = 1"] = "the cell defines no class; write one that derives from lk.Strategy"
    refused[HEAD + CLASS + "pass\n\n\n" + CLASS.replace("class S", "class T") + "pass"] = (
        "the cell defines 2 strategies, S and T; give each a cell and a file of its own"
    )
    for code, words in refused.items():
        said = cell(code)
        assert words in said
        assert said.endswith("; nothing was written")
        assert said.startswith("1 StrategyError: ")
    assert not (own_world / "s.py").exists()
    assert cell(HEAD + CLASS + "pass") == ""
    assert cell(f"data = lk.load({str(recording)!r}, symbols='BTC-USDT')") == ""
    for code, words in {**LINES, SAVED: "did you mean 'mornings'"}.items():
        said = cell(code)
        assert words in said, code
        assert said.startswith("1 "), f"{code} showed a traceback"
        assert "\n" not in said


def test_ipython_in_a_terminal_gets_text_and_no_error(own_world, recording):
    pytest.importorskip("IPython", reason="IPython is in the notebook extra")
    cell_text = HEAD.split("\n", 1)[1] + CLASS + "pass\n"
    script = own_world / "typed.ipy"
    script.write_text(f"CELL = {cell_text!r}\n" + TERMINAL.format(data=str(recording)))
    # Typed line by line, so that what a line evaluates to is shown.
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"],
        input=script.read_text() + "exit()\n",
        cwd=own_world,
        env={**os.environ, "IPYTHONDIR": str(own_world / "ipython"), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WIDGET Run" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr
    assert "change with .set(name=value)" in done.stdout
    assert "without sliders" not in done.stdout
