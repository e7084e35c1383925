"""The example strategy: it averages as it says, and holds what its averages ask for."""

from math import nan
from pathlib import Path

from wires import T0, Desk

from livekit.events import Kind, OrderStatus
from livekit.strategy.declaration import declare
from livekit.strategy.loader import load_class

CLASS = load_class(Path(__file__).parents[2] / "strategies" / "ema_cross.py")
QUICK = {"fast": 0.5, "slow": 0.1, "band_bps": 1.0}


def feed(desk, *mids, spread=2.0):
    for step, mid in enumerate(mids):
        desk.send(
            Kind.QUOTE, 0, bid_price=mid - spread / 2, ask_price=mid + spread / 2,
            bid_size=1.0, ask_size=1.0, ts_event=T0 + step,
        )  # fmt: skip
    desk.run()
    return desk.requests()


def test_weights_are_hot_parameters_and_the_averages_are_state():
    declaration = declare(CLASS)
    assert [name for name, one in declaration.params.items() if one.hot] == [
        "fast",
        "slow",
        "band_bps",
    ]
    assert set(declaration.state) == {"ema_fast", "ema_slow", "working"}
    assert declaration.symbols == ("BTC-USDT",)


def test_averages_are_moved_by_their_weights():
    desk = Desk(CLASS, QUICK)
    feed(desk, 100.0, 100.0, 110.0)
    assert desk.strategy.ema_fast == 105.0
    assert desk.strategy.ema_slow == 101.0


def test_crossing_by_the_band_buys_once_at_the_touch():
    desk = Desk(CLASS, QUICK)
    assert feed(desk, 100.0, 100.0, 100.01) == []  # above by half a basis point only
    (order,) = feed(desk, 110.0, 111.0, 112.0)
    assert (order["side"], order["price"], order["quantity"]) == (0, 111.0, 0.02)
    assert desk.strategy.working == order["order_id"]


def test_order_that_ended_unfilled_is_asked_for_again():
    desk = Desk(CLASS, QUICK)
    (order,) = feed(desk, 100.0, 110.0)
    desk.report(order, OrderStatus.CANCELED)
    desk.run()
    assert desk.strategy.working == 0
    assert len(feed(desk, 112.0)) == 1


def test_quote_with_an_empty_side_changes_nothing():
    desk = Desk(CLASS, QUICK)
    feed(desk, 100.0)
    desk.send(Kind.QUOTE, 0, bid_price=nan, ask_price=101.0, ts_event=T0 + 9)
    desk.send(Kind.QUOTE, 0, bid_price=0.0, ask_price=101.0, ts_event=T0 + 10)
    desk.run()
    assert desk.strategy.ema_fast == desk.strategy.ema_slow == 100.0
    assert desk.context.counters["errors"] == 0
