"""The published results over 2 000 000 quotes and 1 000 000 prints, through the whole core.

Every event of the seeded market goes through `on_touch` and `on_trade` and every order,
as the bytes a strategy would write, through `on_request`: risk, table, paper exchange,
account. hftbacktest 2.4.4, over quotes written as depth (a quote is the whole book)
and without partial fills, gives every figure; of the EMA cross without latency also
Nautilus, vectorbt and plain loops.
"""

import golden_rig
import numpy as np
import pytest

from livekit.events import ORDER
from livekit.trading.latency import Latency
from livekit.trading.queue_model import QueueModel

pytestmark = pytest.mark.skipif(
    not golden_rig.MARKET_MAKER.exists(), reason="needs the published market's generator"
)
_LIMIT, _MARKET = 0, 1


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Return the seeded market."""
    return golden_rig.make_events(tmp_path_factory.mktemp("market"))


@pytest.fixture
def request_address():
    """Return the address of a request's memory."""
    request = np.zeros(1, ORDER)
    yield request.ctypes.data
    del request


def test_ema_cross_gives_the_published_orders_profit_and_fees(events, request_address):
    core = golden_rig.make_core()
    sent, fills = golden_rig.ema_cross(core.address, events, request_address, _LIMIT)
    row = core.account.position(0, 0)
    assert (sent, fills, row["n_fills"]) == (6283, 6283, 6283)
    assert row["net_pnl"] == pytest.approx(-3151.462882, abs=5e-7)
    assert row["fees"] == pytest.approx(3144.7549, abs=5e-5)
    assert row["realized_pnl"] + row["unrealized_pnl"] == pytest.approx(-6.708, abs=5e-4)
    assert core.account.equity - 100_000.0 == pytest.approx(-3151.462882, abs=5e-7)


@pytest.mark.parametrize(
    ("milliseconds", "profit"),
    [(0, -3151.462882), (1, -3151.448861), (10, -3151.420861), (100, -3151.3357125)],
)
def test_ema_cross_with_market_orders_pays_for_its_latency(
    events, request_address, milliseconds, profit
):
    core = golden_rig.make_core(
        latency=Latency(order=f"{milliseconds}ms", response="3ms"), partial_fills=False
    )
    sent, fills = golden_rig.ema_cross(core.address, events, request_address, _MARKET)
    assert (sent, fills) == (6283, 6283)
    assert core.account.position(0, 0)["net_pnl"] == pytest.approx(profit, abs=5e-8)


def test_immediate_orders_at_the_touch_seen_are_not_market_orders(events, request_address):
    core = golden_rig.make_core(latency=Latency(order="10ms"), partial_fills=False)
    sent, fills = golden_rig.ema_cross(core.address, events, request_address, _LIMIT)
    row = core.account.position(0, 0)
    assert (sent, fills) == (6283, 5986)
    assert row["position"] == pytest.approx(-0.49, abs=1e-12)
    assert row["net_pnl"] == pytest.approx(-2996.1783, abs=5e-8)
    assert row["fees"] == pytest.approx(2996.0903, abs=5e-8)


MAKER = {
    "risk_averse": (79389, 9577, 69810, -11.908),
    "power_prob": (79386, 9516, 69868, -11.103),
    "log_prob": (79409, 9421, 69986, -10.948),
    "touch": (78750, 13481, 65267, -27.402),
    "front": (79633, 6343, 73289, 8.310),
}


@pytest.mark.parametrize("name", MAKER)
def test_market_maker_gives_the_published_fills_under_every_model(events, request_address, name):
    core = golden_rig.make_core(queue=QueueModel(name, hidden="empty"), partial_fills=False)
    counts = golden_rig.market_maker(core.address, events, request_address)
    *expected, profit = MAKER[name]
    assert list(counts) == expected
    assert core.account.position(0, 0)["net_pnl"] == pytest.approx(profit, abs=5e-7)
    assert core.account.equity - 100_000.0 == pytest.approx(profit, abs=5e-7)


SLOW_MAKER = {
    (1, 0): (79363, 9565, 69470, -11.600),
    (1, 1): (79359, 9624, 69468, -11.733),
    (10, 0): (79244, 9607, 66560, -18.862),
    (10, 10): (79230, 9676, 66547, -19.467),
    (100, 0): (79092, 10669, 49309, 0.449),
    (100, 100): (79003, 10910, 49253, -0.462),
}


@pytest.mark.parametrize("way", SLOW_MAKER)
def test_market_maker_with_latency_gives_the_fills_of_hftbacktest(events, request_address, way):
    order, response = way
    core = golden_rig.make_core(
        queue=QueueModel("risk_averse", hidden="empty"),
        partial_fills=False,
        latency=Latency(order=f"{order}ms", response=f"{response}ms"),
    )
    counts = golden_rig.market_maker(core.address, events, request_address)
    *expected, profit = SLOW_MAKER[way]
    assert list(counts) == expected
    assert core.account.position(0, 0)["net_pnl"] == pytest.approx(profit, abs=5e-7)
    assert core.header["n_faults"] == 0
