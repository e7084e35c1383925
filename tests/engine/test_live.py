"""Events of a live source on their way through the engine, from Python and from compiled code."""

import selectors
import socket

import numpy as np
import pytest

from livekit.engine import live
from livekit.engine.folder import EngineLock
from livekit.engine.loop import EventEngine
from livekit.engine.settings import EngineSettings
from livekit.events import SLOT_BYTES
from livekit.ring.call import call3
from livekit.ring.jit import hot
from livekit.trading.layout import CORE

_N_SENDS = int(CORE.fields["n_sends"][1])


@hot
def enter(entry: int, context: int, events: int, n: int) -> int:
    """Call a way in as compiled readers do."""
    return call3(entry, context, events, n)


class Way:
    """An engine that nobody turns, and the events that a live source would give it."""

    def __init__(self, recording):
        self.engine = EventEngine(EngineSettings(data=str(recording)), EngineLock("main"))
        self.live, self.direct = self.engine.live, self.engine.live.direct
        self.slots = np.zeros((8, SLOT_BYTES), np.uint8)
        self.at = int(self.slots.ctypes.data)

    @property
    def n_through(self):
        return int(self.engine.pump["events_in"][0])

    def wait_to_be_sent(self, n):
        """Let `n` requests wait for a venue."""
        at = self.engine.core.memory[_N_SENDS : _N_SENDS + 8]
        at.view(np.int64)[0] = n

    def enter(self, n):
        return enter(self.direct.entry, self.direct.context, self.at, n)


@pytest.fixture
def way(runtime_dir, recording):
    way = Way(recording)
    yield way
    way.engine._close()


def test_events_that_find_room_need_nothing_more(way):
    assert way.enter(3) == 1
    assert way.n_through == 3
    assert way.live.first_ns > 0


def test_events_without_room_are_settled_once_there_is_some(way):
    way.engine.pump["ledger_full"] = 1
    assert way.enter(3) == 0
    assert way.n_through == 0
    way.direct.settle(way.at, 3)
    assert (way.n_through, way.live.n_lost) == (3, 0)


def test_events_that_never_find_room_are_counted_as_lost(way, caplog):
    way.engine.pump["ledger_full"] = 1
    way.live._make_room = lambda: None
    way.live.publish(way.at, 3)
    assert (way.n_through, way.live.n_lost) == (0, 3)
    assert "events lost count=3" in caplog.text


def test_orders_that_wait_are_sent_before_the_next_frame(way):
    sent = []
    way.live._flush = lambda: sent.append(way.n_through)
    way.wait_to_be_sent(1)
    assert way.enter(2) == 0
    way.direct.settle(way.at, 2)
    assert (way.n_through, sent) == (2, [2])
    way.wait_to_be_sent(0)
    assert way.enter(2) == 1


def test_closed_engine_takes_nothing_and_says_nothing(way):
    way.live.is_open = False
    assert way.enter(3) == 1
    way.live.publish(way.at, 3)
    assert (way.n_through, way.live.n_lost) == (0, 0)


@pytest.fixture
def frames(way):
    """Give the far end of a socket of which every byte is an event."""
    near, far = socket.socketpair()

    def take():
        way.live.publish(way.at, len(near.recv(8)))

    way.engine._selector.register(near, selectors.EVENT_READ, take)
    with near, far:
        yield far
        way.engine._selector.unregister(near)


def test_engine_woken_by_an_event_waits_for_orders_before_it_sleeps_again(way, frames, monkeypatch):
    waits = []
    monkeypatch.setattr(live, "await_orders", lambda *_: waits.append(way.n_through) or 1)
    way.engine.pump["orders_in"] += 1  # strategies trade
    frames.send(b"1")
    way.live.idle()
    assert (way.n_through, waits) == (1, [])
    way.live.turn()
    way.live.idle()
    assert waits == [1]


def test_engine_woken_by_an_event_looks_at_its_sockets_once(way, frames, monkeypatch):
    looks = []
    dispatch = way.live._dispatch
    monkeypatch.setattr(way.live, "_dispatch", lambda wait: looks.append(wait) or dispatch(wait))
    frames.send(b"1")
    way.live.idle()
    assert way.live.turn() == 0
    assert len(looks) == 1
    frames.send(b"1")
    assert way.live.turn() == 1
    assert (len(looks), looks[1]) == (2, 0)
