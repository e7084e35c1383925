"""Lock-step replay: the same orders to the bit, whatever the mode, the timing, the neighbours.

Injected: interpreted and compiled runs, different ways to wait, a neighbour that trades
the same instruments, a paused process. Checked: every report a strategy saw (folded into
a digest in its state), its account to the last bit, and its timers.
"""

import os
import signal
import time
from pathlib import Path

import pytest
from engines import eventually, fork_strategy, n_events, status

from livekit.engine.launch import stop_engine
from livekit.ring.segment import Segment
from livekit.ring.state import state_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

DECIDING = Path(__file__).parent / "deciding.py"
ACCOUNT = ("orders", "rejects", "fills", "position", "pnl", "fees", "reject_codes")


def run(engine, *, jit, wait="laptop", neighbours=0, pause=False):
    """Replay the whole recording in lock-step; return what the strategy saw and has."""
    engine(speed="lockstep", wait_for=1 + neighbours)
    facts = fork_strategy(DECIDING, "deciding", jit=jit, wait=wait)
    for k in range(neighbours):
        fork_strategy(DECIDING, f"neighbour{k}", f"size={0.02 + k * 0.01}")
    if pause:
        eventually(lambda: status()["position"] > n_events() // 4)
        os.kill(facts["pid"], signal.SIGSTOP)
        time.sleep(0.2)  # well below what counts as a hang
        os.kill(facts["pid"], signal.SIGCONT)
    eventually(lambda: status()["state"] == "finished", "end of the replay", 120)
    # The last reports are delivered within the last event's step.
    eventually(lambda: all(item["queued"] == 0 for item in status()["strategies"]))
    (mine,) = (item for item in status()["strategies"] if item["name"] == "deciding")
    segment = Segment.attach(Path(facts["segment"]))
    received = mine["received"]
    stop_engine("main")  # a stopping strategy publishes its state once more
    state = state_of(segment)["state"]
    return {name: mine[name] for name in ACCOUNT}, state, received


def test_interpreted_and_compiled_runs_are_equal_to_the_bit(engine):
    interpreted = run(engine, jit=False)
    compiled = run(engine, jit=True, wait="spin")
    assert interpreted == compiled
    account, state, _ = interpreted
    assert account["fills"] > 50
    assert account["orders"] > account["fills"] > 0
    assert state["timers"] > 70
    assert state["digest"] != 0


def test_run_is_the_same_when_its_process_is_paused(engine):
    assert run(engine, jit=False) == run(engine, jit=False, pause=True)


def test_neighbours_do_not_change_a_strategys_orders(engine):
    alone = run(engine, jit=True)
    among = run(engine, jit=True, neighbours=2)
    assert alone == among
