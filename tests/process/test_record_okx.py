"""``livekit record`` of the live feed: what it wrote is what strategies saw, to the bit.

Real processes: simulator, recorder with an engine of its own, a strategy that keeps every
event. Injected: a lost book update, a cut. Checked: the strategy's events against those
that the same strategy is given by a replay of the catalog, and against those that the raw
frames give; gap and cut in the catalog.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from engines import eventually, status
from recorders import Recorder
from simulators import Simulator

from livekit.engine.attach import AttachRequest, attach, detach
from livekit.engine.folder import sweep
from livekit.engine.okx.renormalise import renormalise
from livekit.events import DTYPES, EVENT_BYTES, Kind
from livekit.research.data import load
from livekit.ring.segment import Segment
from livekit.ring.state import state_of
from livekit.store.recorder_merge import normalise

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
pytest.importorskip("aiohttp")

WITNESS = Path(__file__).with_name("witness.py")
SYMBOLS = ("BTC-USDT", "ETH-USDT")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("simulator"), "--speed", "5")
    yield simulator
    simulator.close()


def events_of(raw):
    """Return events that lie one behind the other as (kind, bytes), as a catalog keeps them."""
    found, at = [], 0
    while at < len(raw):
        kind = Kind(raw[at] & 15)
        row = np.frombuffer(raw, DTYPES[kind], 1, at)
        found.append((kind, normalise(kind, row).tobytes()))
        at += int(EVENT_BYTES[kind])
    return found


def witness(folder, engine):
    """Attach a witness that writes into a folder; return its segment."""
    file = folder / "witness.py"
    folder.mkdir()
    shutil.copy(WITNESS, file)
    return Segment.attach(Path(attach(engine, AttachRequest(file, "witness"))["segment"]))


def seen(segment, name):
    return state_of(segment)["state"][name]


def test_recorded_live_feed_is_replayed_as_strategies_saw_it(
    simulator, runtime_dir, engine, tmp_path
):
    out = tmp_path / "out"
    options = ["--source", "okx", "--env", "sim", "--url", simulator.url, "--raw"]
    options += ["--symbols", ",".join(SYMBOLS), "--channels", "trades,bbo-tbt,books,tickers"]
    recorder = Recorder(out, *options, engine="rec")
    try:
        recorder.recording(50)
        live = witness(tmp_path / "live", "rec")
        eventually(lambda: seen(live, "n") > 100, "events")
        simulator.fault("gap", channel="books")
        eventually(lambda: seen(live, "gaps") == 1, "a gap")
        simulator.fault("cut", connection="public")
        eventually(lambda: seen(live, "ups") == 2, "both instruments again", 60)
        n = seen(live, "n")
        eventually(lambda: seen(live, "n") > n + 100, "more events")
        feed = status("rec")["feed"]
        detach("rec", "witness")
        code, said, _ = recorder.interrupt()
    finally:
        recorder.close()
    sweep()
    # The lost update, and at the cut each of two channels of two instruments.
    assert (code, said["failure"], said["gaps"], said["lost"]) == (0, None, 5, 5)
    assert said["raw"] == {"frames": said["raw"]["frames"], "dropped": 0, "failure": ""}
    assert said["raw"]["frames"] >= feed["connections"][0]["frames"]

    engine(data=str(out), speed="max", wait_for=1)
    replayed = witness(tmp_path / "replayed", "main")
    eventually(lambda: seen(replayed, "n") >= sum(said["catalog"]["rows"].values()), "the end")
    detach("main", "witness")
    saw = events_of((tmp_path / "live" / "witness.events").read_bytes())
    again = events_of((tmp_path / "replayed" / "witness.events").read_bytes())
    assert len(again) == said["events"] > len(saw) > 200
    first = again.index(saw[0])
    assert again[first : first + len(saw)] == saw

    raw = b"".join(
        bytes(slot[: EVENT_BYTES[slot[0]]])
        for some in renormalise(sorted(out.glob("okx/raw/*.gz")), SYMBOLS)
        for slot in some
    )
    assert events_of(raw)[: len(again)] == again
    assert {kind for kind, _ in again} >= {Kind.TRADE, Kind.QUOTE, Kind.BOOK, Kind.TICKER}
    assert len(load(out).gaps()) == feed["gaps"] == 5
    assert sum(kind == Kind.CONNECTION for kind, _ in again) == 6
