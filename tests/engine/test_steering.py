"""Pause, reduce, resume, halt, flatten, cancel: what each lets through, in a real engine."""

import os
import signal
from pathlib import Path

import pytest
from engines import eventually, fork_strategy, reap_children, row, status

from livekit.engine.audit import read_audit
from livekit.engine.client import call
from livekit.engine.folder import engine_folder
from livekit.errors import ConfigError, NotFoundError, NotRunningError
from livekit.notebook.commanding import Commander
from livekit.notebook.live_state import History, live_state
from livekit.notebook.views import EngineView
from livekit.ring.panel import HISTORY_AT, HISTORY_BYTES
from livekit.ring.panel_history import read_frame, read_index

pytestmark = pytest.mark.process

QUOTING = Path(__file__).parent.parent / "notebook" / "quoting.py"


@pytest.fixture
def quoting(engine):
    """Run an engine with a strategy that holds a position and a resting order."""
    engine(speed="0.5", wait_for=1)
    facts = fork_strategy(QUOTING, "one")
    eventually(lambda: row("one")["fills"] == 1, "the fill")
    yield facts
    os.kill(facts["pid"], signal.SIGCONT)
    call("main", "stop")
    eventually(lambda: reap_children() or not engine_folder("main").exists(), "the end")


def view():
    return EngineView("main")


def test_states_let_through_what_they_say(quoting):
    assert call("main", "pause") == {"trading": "PAUSED"}
    assert len(view().account().orders) == 1  # what rests stays
    assert call("main", "reduce") == {"trading": "REDUCING"}
    assert call("main", "resume") == {"trading": "ACTIVE"}
    done = call("main", "flatten")
    assert (done["orders_canceled"], done["positions"]) == (1, 1)
    eventually(lambda: row("one")["position"] == {}, "flat")
    account = eventually(lambda: (a := view().account()).orders == [] and a, "no order")
    assert account.head["trading"] == "REDUCING"
    assert call("main", "kill")["trading"] == "HALTED"
    for verb in ("pause", "reduce", "resume", "flatten"):
        with pytest.raises(ConfigError, match="HALTED until the engine is started again"):
            call("main", verb)
    # The strategy heard of the engine's own order and knows that it is flat.
    own = [r for r in view().reports()[0] if int(r["order_id"]) > 1 << 62]
    assert {r["status"] for r in own} >= {"FILLED"}
    assert [line["verb"] for line in read_audit("main")] == [
        *("pause", "reduce", "resume", "flatten", "kill"),
    ]
    assert all(line["by"] == f"pid {os.getpid()}" for line in read_audit("main"))


def test_hung_strategy_is_read_canceled_and_flattened(quoting):
    os.kill(quoting["pid"], signal.SIGSTOP)
    eventually(lambda: row("one")["state"] == "hung", "the hang")
    state = live_state("one")
    assert state.status == "hung"
    assert state.seen == state["seen"] >= 40
    assert state.frame["seen"].iloc[0] == state.seen
    call("main", "flatten")
    eventually(lambda: row("one")["position"] == {}, "flat")
    assert status()["trading"] == "REDUCING"


def test_orders_and_parameters_are_changed_within_their_bounds(quoting):
    commander = Commander("main")
    (order,) = view().account().orders
    with pytest.raises(NotFoundError, match="no open order 12"):
        commander.cancel("one", 12)
    with pytest.raises(NotRunningError, match="'two' is not attached"):
        commander.cancel("two")
    commander.cancel("one", order["order_id"])
    eventually(lambda: view().account().orders == [], "the cancellation")
    with pytest.raises(ConfigError, match=r"is 7, expected 0.001 to 1"):
        commander.set_params("one", size=7)
    with pytest.raises(ConfigError, match="is not hot"):
        commander.set_params("one", depth=0.03)
    commander.set_params("one", size=0.2)
    commander.set_params("one", size=0.3)
    assert commander.undo_params("one")["values"]["size"] == 0.2
    assert commander.undo_params("one")["values"]["size"] == 0.01
    with pytest.raises(NotFoundError, match="left to take back"):
        commander.undo_params("one")
    eventually(lambda: live_state("one").params_seen == 4, "the strategy's events")
    assert live_state("one").params["size"] == 0.01
    with pytest.raises(NotFoundError, match=r"'on' is not attached.*did you mean 'one'"):
        live_state("on")


def test_views_agree_with_what_the_engine_answers(quoting):
    one = view()
    call("main", "pause")
    os.kill(quoting["pid"], signal.SIGSTOP)
    asked = row("one")
    account = eventually(lambda: (a := one.account()).head["trading"] == "PAUSED" and a, "a look")
    (mine,) = [s for s in one.strategy_rows() if s["name"] == "one"]
    assert (mine["fills"], mine["orders"]) == (asked["fills"], asked["orders"])
    (position,) = account.positions
    assert position["position"] == asked["position"]["BTC-USDT"] == 0.01
    assert position["fees"] == pytest.approx(asked["fees"])
    (order,) = account.orders
    assert (order["side"], order["quantity"], order["status"]) == ("buy", 0.01, "ACCEPTED")
    fills = [r for r in one.reports()[0] if r["last_quantity"] > 0]
    assert [(f["strategy"], f["liquidity"]) for f in fills] == [("one", "taker")]
    board = one.market("BTC-USDT")
    assert board["bid"] < board["ask"]
    assert one.market("ETH-USDT")["time"] > 0
    prints, tail = one.prints(0)
    assert tail == len(prints) > 1
    assert [p["time"] for p in prints] == sorted(p["time"] for p in prints)
    with pytest.raises(NotRunningError, match="'X' is not served"):
        one.board("X")


def test_history_holds_books_orders_and_states_and_forgets_the_oldest(quoting):
    eventually(lambda: len(History(view(), "one")) > 10, "frames")
    history = History(view(), "one")
    moments = [history.at(place) for place in range(len(history))]
    states = [m.state for m in moments if m.state is not None]
    sequences = [state.sequence for state in states]
    assert sequences == sorted(sequences)
    assert states[-1].seen > states[0].seen
    last = moments[-1]
    assert last.orders[0]["price"] < last.books["BTC-USDT"]["bid"]
    assert last.positions[0]["position"] == 0.01
    assert history.nearest(last.time).time == last.time
    assert history.nearest(-1) is None
    assert list(history.frame["seen"].dropna()) == [s.seen for s in states]
    with pytest.raises(NotFoundError, match="there is none at 99999"):
        history.at(99999)
    # As if the engine had written eight more MiB since: nothing old is shown for new.
    one = view()
    panel = one.segment.panel_address
    index, first = read_index(panel)
    words = one.segment.file.part("<i8", panel - one.segment.file.address + HISTORY_AT, 2)
    own, pid = int(words[1]), status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        words[1] = own + HISTORY_BYTES
        assert read_frame(panel, index[-1], first) is None
        assert len(read_index(panel)[0]) == 0
    finally:
        words[1] = own
        os.kill(pid, signal.SIGCONT)
