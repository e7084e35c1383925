"""The works in vectorbt with its Rust engine: no events, but whole columns of quotes.

The averages, the wanted side of every quote and the order simulation are one call each.
They are called below `Portfolio.from_orders`, which takes half as long again to make its
frames. Orders larger than the cash would be shrunk silently, so the cash is large.
Vectorbt has no queue, no latency and no resting order: it runs works 2 and 4.
"""

import time

import numpy as np
from protocol import FAST, FILL, SIZE, SLOW, TAKER, last_mid, serve
from vectorbt.generic import dispatch as generic
from vectorbt.portfolio import dispatch as portfolio
from vectorbt.portfolio.enums import SizeType

CASH = 1e9
MAX_ORDERS = 200_000  # room for a record per quote would double the time


class State:
    """The quotes as columns."""

    def __init__(self, market):
        quotes = market[market["kind"] == 0]
        self.ts = quotes["ts"].copy()
        self.bid, self.ask = quotes["a"].copy(), quotes["b"].copy()
        self.middle = (self.bid + self.ask) / 2
        self.mid = last_mid(market)
        self.one = np.array([1], np.int64)
        self.turns = np.zeros((len(quotes), 1), np.int64)


def average(state, span):
    """Return the exponential average of the mid price, seeded with the first."""
    column = state.middle[:, None]
    return generic.ewm_mean(column, span, 1, adjust=False, engine="rust")[:, 0]


def simulate(state, fast, slow, slow_span):
    """Return the order records of one pair of averages."""
    side = np.sign(fast - slow)
    side[: slow_span - 1] = 0
    size = side * SIZE
    size[side == 0] = np.nan  # no order, rather than one to be flat
    price = np.where(side > 0, state.ask, state.bid)
    records, _ = portfolio.simulate_from_orders(
        (len(side), 1),
        state.one,
        np.array([CASH]),
        state.turns,
        size=size,
        size_type=np.asarray(SizeType.TargetAmount),
        price=price,
        fees=np.asarray(TAKER),
        close=state.middle,
        max_orders=MAX_ORDERS,
        max_logs=1,
        flex_2d=False,
        engine="rust",
    )
    return records


def result_of(state, records):
    """Return numbers of orders and money of the records."""
    sign = np.where(records["side"] == 0, 1, -1)
    position = float((sign * records["size"]).sum())
    cash = -float((sign * records["size"] * records["price"]).sum())
    fees = float(records["fees"].sum())
    return {
        "n_orders": len(records),
        "n_cancels": 0,
        "n_fills": len(records),
        "pnl": cash + position * state.mid - fees,
        "fees": fees,
        "position": round(position, 9),
    }


def run_ema_cross(state, request):
    """Run work 2."""
    spans = request.get("fast", FAST), request.get("slow", SLOW)
    start = time.perf_counter()
    records = simulate(state, average(state, spans[0]), average(state, spans[1]), spans[1])
    seconds = time.perf_counter() - start
    fills = np.zeros(len(records), FILL)
    fills["ts"] = state.ts[records["idx"]]
    fills["side"], fills["price"] = records["side"], records["price"]
    fills["quantity"] = records["size"]
    return seconds, result_of(state, records), fills


def run_sweep(state, request):
    """Run work 4 over every pair, each average computed once."""
    start = time.perf_counter()
    averages = {span: average(state, span) for span in {*request["fast"], *request["slow"]}}
    kept = [
        simulate(state, averages[fast], averages[slow], slow)
        for fast in request["fast"]
        for slow in request["slow"]
    ]
    seconds = time.perf_counter() - start
    results = [result_of(state, records) for records in kept]
    total = {name: sum(one[name] for one in results) for name in ("n_orders", "n_fills", "pnl")}
    return seconds, total, None


if __name__ == "__main__":
    works = {"ema_cross": run_ema_cross, "sweep": run_sweep}
    serve(["vectorbt", "vectorbt-rust"], State, works)
