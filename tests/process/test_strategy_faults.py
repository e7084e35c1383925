"""R7: whatever a strategy does to itself, nobody else loses an event.

Injected: ten kinds of fault at random events, in real processes, three at a time,
against one engine. Checked: a bystander gets every event the engine sends (no drop, no
gap, counts equal), the faulty one's resting order is cancelled, it is gone from the
engine, trading goes on. Figure: 200 faults (times --scale), 0 spill-over.
"""

import os
import random
import signal
from pathlib import Path

import pytest
from engines import eventually, fork_strategy, reap_children, row, status

from livekit.engine.client import call
from livekit.ring.segment import Segment
from livekit.ring.state import state_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
FAULTS = 10
HANGS = {5, 6, 7}  # spin, sleep, stopped: alive, so only their heartbeat tells


def gone(name):
    reap_children()
    return row(name) is None


def inject(fault, at, index):
    """Attach a faulty strategy and see it off; return its name."""
    name = f"faulty{index}"
    facts = fork_strategy(HERE / "faulty.py", name, f"fault={fault}", f"at={at}")
    return name, facts["pid"]


def settle(fault, name, pid):
    if fault in HANGS:
        eventually(lambda: (r := row(name)) is None or r["state"] == "hung", f"hang of {name}")
        os.kill(pid, signal.SIGKILL)
    elif fault == 8:  # floods: it lives, and is refused what is too much
        eventually(lambda: (r := row(name)) is None or r["orders"] > 1000, f"flood of {name}")
        if row(name) is not None:
            assert row(name)["reject_codes"].get("RATE_LIMIT", 0) > 0
            os.kill(pid, signal.SIGKILL)
    elif fault == 9:  # its ring is garbage: fenced, or refused request by request
        eventually(
            lambda: (r := row(name)) is None or r["state"] == "fenced" or r["rejects"] > 0,
            f"garbage of {name}",
        )
        if row(name) is not None:
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: gone(name), f"end of {name}")


def bystander_has_everything():
    seen = status()
    (me,) = (item for item in seen["strategies"] if item["name"] == "bystander")
    return me["received"] == seen["events_in"]


@pytest.mark.parametrize("part", range(4))
def test_faulty_strategies_take_nothing_from_the_others(engine, part, scale):
    rng = random.Random(20 + part)
    engine(speed="0.15", wait_for=1)
    bystander = fork_strategy(HERE / "counting.py", "bystander")
    # The engine begins with the first strategy that has started: it must be this one.
    eventually(lambda: row("bystander")["state"] == "running", "start of the bystander")
    n_faults = max(FAULTS, round(50 * scale))
    plan = [(k % FAULTS, rng.randint(2, 25)) for k in range(n_faults)]
    rng.shuffle(plan)
    running = []
    for index, (fault, at) in enumerate(plan):
        running.append((fault, *inject(fault, at, index)))
        if len(running) == 3:
            settle(*running.pop(0))
    for item in running:
        settle(*item)
    assert status()["trading"] == "ACTIVE"
    assert status()["state"] == "running", "the recording ended before the faults did"
    eventually(bystander_has_everything, "the bystander's count equal to the engine's")
    me = row("bystander")
    assert (me["state"], me["dropped"], me["pid"]) == ("running", 0, bystander["pid"])
    assert state_of(Segment.attach(Path(bystander["segment"])))["state"]["gaps"] == 0
    assert call("main", "kill")["orders_canceled"] == 0, "a gone strategy left an order open"
