"""From the cells of a real kernel to a Python that has none, and the same orders there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livekit.ring.jit import cache_folder

TESTS = Path(__file__).resolve().parents[2]

SETUP = """
import math
import numpy as np
import livekit as lk
from numba import njit
"""
CONSTANTS = """
STEP = 0.0005  # of the price
LENGTH = 16
unused = np.arange(3)
"""
HELPERS = """
@njit
def weighted(old, new):
    # half of each
    return new if math.isnan(old) else (1 - WEIGHT) * old + WEIGHT * new

WEIGHT = 0.5
"""
CLASS = """
class Follow(lk.Strategy):
    \"\"\"Follow the mean.\"\"\"

    symbols = ("BTC-USDT",)
    size = lk.Param(0.5, 0.1, 1.0)

    mean: float = math.nan
    mids: lk.array(LENGTH)
    count: int = 0

    def on_quote(self, quote):
        mid = (quote.bid_price + quote.ask_price) / 2.0
        self.mids[self.count % LENGTH] = mid
        self.count += 1
        if mid > self.mean * (1 + STEP):
            self.sell("BTC-USDT", self.size)
        elif mid < self.mean * (1 - STEP):
            self.buy("BTC-USDT", self.size, quote.bid_price)
        self.mean = weighted(self.mean, mid)
"""
RUN = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import compiled_rig
from livekit.events import Kind
from livekit.strategy.compiled import Compiled, build
from livekit.strategy.declaration import declare
from livekit.strategy.interpreted import Interpreted

def orders(cls, body):
    rig, lines = compiled_rig.run(cls, body, compiled_rig.market(600, 5, kinds={{Kind.QUOTE}}))
    assert rig.body.failure == "" and len(rig.orders) > 20, (rig.body.failure, len(rig.orders))
    return hashlib.sha256(b"".join(rig.orders)).hexdigest()
"""
FRESH = """
from pathlib import Path
from livekit.strategy.loader import load_class
Follow = load_class(Path(sys.argv[1]), sys.argv[2])
program = build(Follow, declare(Follow))
print(json.dumps({
    "declaration": repr(declare(Follow)),
    "interpreted": orders(Follow, Interpreted),
    "compiled": orders(Follow, Compiled),
    "key": program.key,
    "is_cached": program.is_cached,
    "modules": [name for name in ("IPython", "ipykernel") if name in sys.modules],
}))
"""
KERNEL = """
from livekit.strategy.export import exported
made = exported(Follow)
print(json.dumps({
    "path": str(made.path),
    "class": made.class_name,
    "hash": made.code_hash,
    "source": made.source,
    "declaration": repr(declare(Follow)),
    "interpreted": orders(Follow, Interpreted),
    "key": build(Follow, declare(Follow)).key,
}))
"""


@pytest.fixture
def warm_cache(own_folders, tmp_path):
    """Let the test's own cache folder have the machine code of the trading core."""
    from livekit.ring import jit

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LIVEKIT_CACHE_DIR")
        real = cache_folder()
    own = tmp_path / "cache" / "livekit"
    own.mkdir(parents=True, mode=0o700)
    (own / jit.source_hash()).symlink_to(real)


def in_kernel(folder, *cells):
    """Run cells in a kernel; return what the last one printed."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return "".join(out["text"] for out in notebook.cells[-1].outputs if out.name == "stdout")


def fresh(path, class_name, folder):
    text = "import json\n" + RUN.format(tests=str(TESTS)) + FRESH
    command = [sys.executable, "-c", text, str(path), class_name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.process
@pytest.mark.filterwarnings("default")
def test_class_of_a_kernel_trades_the_same_in_a_python_without_one(warm_cache, own_folders):
    run = "import json\n" + RUN.format(tests=str(TESTS))
    cells = [SETUP, CONSTANTS, HELPERS, "unused = 3\n%who", CLASS, run + KERNEL]
    told = json.loads(in_kernel(own_folders, *cells))
    assert told["source"].startswith(f"# Made by livekit from the notebook: Follow, {told['hash']}")
    assert "unused" not in told["source"]
    assert "numpy" not in told["source"]
    assert "WEIGHT = 0.5\n" in told["source"]
    seen = fresh(told["path"], told["class"], own_folders)
    assert seen["modules"] == []
    assert seen["declaration"] == told["declaration"]
    assert seen["interpreted"] == seen["compiled"] == told["interpreted"]

    # Machine code belongs to the file: another process finds it, the cell's is another.
    again = fresh(told["path"], told["class"], own_folders)
    assert again["is_cached"]
    assert again["key"] == seen["key"] != told["key"]

    # Another kernel makes the same file, so the same machine code runs.
    other = json.loads(in_kernel(own_folders, *cells[:3], *cells[4:]))
    assert (other["path"], other["hash"]) == (told["path"], told["hash"])
    changed = HELPERS.replace("0.5", "0.25")
    third = json.loads(in_kernel(own_folders, SETUP, CONSTANTS, changed, *cells[4:]))
    assert third["hash"] != told["hash"]
    assert fresh(third["path"], "Follow", own_folders)["key"] != seen["key"]
