"""The bundled strategies: sane on recorded data, steadfast on bad data and refusals."""

from math import isfinite, isnan, nan
from pathlib import Path

import numpy as np
import pytest
from exchange import Session
from wires import T0, Desk

from livekit.events import Kind, OrderStatus, Reject
from livekit.strategy.declaration import declare
from livekit.strategy.loader import load_class

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "strategies"
DATA = ROOT / "replay_data"
NAMES = ("momentum", "mean_reversion", "pairs")

# Quick to act, so that a short stretch of data shows orders, fills and refusals.
EAGER = {
    "momentum": {"fast": 0.5, "slow": 0.1, "band_bps": 0.0, "warm_up": 50, "size": 0.01},
    "mean_reversion": {"window": 64, "entry": 1.0, "edge_bps": 0.5},
    "pairs": {"weight": 0.005, "warm_up": 100, "entry": 1.0, "edge_bps": 1.0},
}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def load(name):
    return load_class(FOLDER / f"{name}.py")


def session(name, n_events=20_000, **values):
    if not DATA.is_dir():
        pytest.skip("the bundled recording is not here")
    it = Session(load(name), DATA, EAGER[name] | values)
    it.run(n_events)
    return it


def test_there_are_the_three_of_the_source_document_and_the_example():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted([*NAMES, "ema_cross"])


def test_every_parameter_has_a_range_and_the_state_is_numbers(name):
    declaration = declare(load(name))
    assert all(isfinite(p.low) and isfinite(p.high) for p in declaration.params.values())
    assert declaration.state
    assert declaration.doc


def test_pairs_trades_two_instruments():
    assert declare(load("pairs")).symbols == ("BTC-USDT", "ETH-USDT")


def test_recorded_data_gives_orders_and_fills_but_no_malformed_request(name):
    it = session(name)
    fills = [report for report in it.reports if report["last_quantity"] > 0]
    refused = {
        Reject(int(report["reject"])) for report in it.reports if report["reject"] != Reject.NONE
    }
    assert len(it.requests) > 10
    assert len(fills) > 5
    # A cancel may cross a fill, an IOC may find nothing left, a post-only may be late.
    assert refused <= {
        Reject.UNKNOWN_ORDER,
        Reject.NO_LIQUIDITY,
        Reject.POST_ONLY_WOULD_TAKE,
    }


def test_position_never_exceeds_the_size_asked_for(name):
    it = session(name)
    limit = {"momentum": 0.01, "mean_reversion": 0.01, "pairs": 2100.0 / 85_000}[name]
    lots = 0
    for report in it.reports:
        if report["instrument"] == 0 and report["last_quantity"] > 0:
            lots += round(report["last_quantity"] / 1e-5) * (1 - 2 * int(report["side"]))
            assert abs(lots) <= round(limit / 1e-5)
    assert it.desk.context.positions[0] == lots


def test_own_position_equals_the_exchanges(name):
    it = session(name)
    assert it.desk.context.positions[:2].tolist()[: len(it.replay.instruments)] == [
        int(row["lots"]) for row in it.core.positions[0][: len(it.replay.instruments)]
    ]


def test_one_order_at_a_time_works_in_each_instrument(name):
    it = session(name)
    working = {}
    for request in sorted(it.requests, key=lambda r: r["sequence"]):
        if request["action"] == 0:
            working.setdefault(int(request["instrument"]), []).append(int(request["order_id"]))
    ends = {int(r["order_id"]) for r in it.reports if r["status"] >= OrderStatus.FILLED}
    for numbers in working.values():
        assert [number for number in numbers if number not in ends] in ([], [numbers[-1]])


def feed(desk, bid, ask, instrument=0, ts=T0):
    kind = Kind.TICKER if desk.body._declaration.kinds >> Kind.TICKER & 1 else Kind.QUOTE
    extra = {"last_price": ask} if kind == Kind.TICKER else {"bid_size": 1.0, "ask_size": 1.0}
    desk.send(kind, instrument, bid_price=bid, ask_price=ask, ts_event=ts, **extra)


def warm(desk, moves):
    """Feed a wandering market until the strategy has asked for something."""
    rng = np.random.default_rng(3)
    prices = [90_000.0, 3_000.0]
    for step in range(moves):
        for instrument in (0, 1):
            prices[instrument] *= 1.0 + rng.normal() * 2e-3
            price = round(prices[instrument], 1)
            feed(desk, price, price + 0.1, instrument, T0 + step * 1_000_000)
        desk.run()
        requests = desk.requests()
        if requests:
            return requests
    raise AssertionError("no order")


def test_refused_order_is_followed_by_a_rest(name):
    desk = Desk(load(name), EAGER[name])
    (first, *others) = warm(desk, 3000)
    for request in (first, *others):
        desk.report(request, OrderStatus.REJECTED, reject=Reject.MAX_POSITION)
    desk.run()
    assert desk.strategy.rejects == 1 + len(others)
    rest = int(desk.strategy.pause_s * 1e9)
    for step in range(200):
        for instrument in (0, 1):
            feed(desk, 80_000.0 - step, 80_001.0, instrument, T0 + step)
    desk.run()
    assert desk.requests() == []
    assert desk.strategy.quiet_until == T0 + rest
    assert desk.context.counters["errors"] == 0


def test_order_that_the_full_ring_did_not_take_is_asked_for_again(name):
    desk = Desk(load(name), EAGER[name])
    desk.context.view["n_open"] = 1024  # as good as a full ring
    with pytest.raises(AssertionError, match="no order"):
        warm(desk, 500)
    assert desk.context.counters["orders_refused"] > 0
    desk.context.view["n_open"] = 0
    assert warm(desk, 500)


def test_market_with_an_empty_side_raises_nothing(name):
    desk = Desk(load(name), EAGER[name])
    for number in range(300):
        feed(desk, nan if number % 2 else 100.0, nan, number % 2)
        feed(desk, 0.0, 0.0, number % 2)
    desk.run()
    assert desk.context.counters["errors"] == 0
    assert all(isnan(request["price"]) or request["price"] >= 0.0 for request in desk.requests())
