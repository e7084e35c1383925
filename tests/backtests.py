"""Random markets, and one strategy simulated in one way or the other, for tests of equality."""

import logging
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.research.data import Data
from livekit.research.simulation import Settings, Simulation
from livekit.strategy.declaration import declare
from livekit.strategy.loader import load_class
from livekit.trading.latency import Latency
from livekit.trading.limits import Fees, RiskLimits

FOLDER = Path(__file__).parent / "research"
START_NS = 1_767_571_200_000_000_000
MS = 1_000_000
INSTRUMENTS = (
    Instrument("BTC-USDT", 0.1, 0.001, 0.001),
    Instrument("BTC-USDT-SWAP", 0.1, 1.0, 1.0, 0.01, "swap"),
    Instrument("ETH-USDT", 0.01, 0.01, 0.01),
)
_KINDS = (Kind.QUOTE, Kind.TRADE, Kind.BOOK, Kind.TICKER, Kind.BAR, Kind.GAP)
_CALM_KINDS = tuple(kind for kind in _KINDS if kind is not Kind.TICKER)
# With tickers no event may pass the venue, see research/quiet.py.
_ODDS = (0.45, 0.3, 0.15, 0.06, 0.02, 0.02)
_PRICES = (9_000.0, 9_001.0, 300.0)
_SIZES = (0.1, 10.0, 1.0)


class Market:
    """A touch of each instrument that walks by ticks; prints at it, through it and beside it.

    Times tie, lie on the grids of timers and samples, and jump; what is recorded may be
    later than it happened, by more than the next event's.
    """

    def __init__(self, seed, n_instruments):
        self.dice = np.random.default_rng(seed)
        self.n_instruments = n_instruments  # that have events; the others are only known
        self.ticks = [one.tick for one in INSTRUMENTS]
        self.bids = [round(p / t) for p, t in zip(_PRICES, self.ticks, strict=True)]
        self.spreads = [1] * len(INSTRUMENTS)
        self.ts, self.sequence = START_NS + int(self.dice.integers(0, 400)) * MS, 0

    def arrays(self, n, kinds=_KINDS):
        """Return `n` events as `Data.from_arrays` takes them."""
        odds = np.array([_ODDS[_KINDS.index(kind)] for kind in kinds])
        rows = {}
        for _ in range(n):
            kind = kinds[int(self.dice.choice(len(kinds), p=odds / odds.sum()))]
            number = int(self.dice.integers(self.n_instruments))
            rows.setdefault((INSTRUMENTS[number].symbol, kind), []).append(
                self._event(kind, number)
            )
        return {key: joined(found, DTYPES[key[1]]) for key, found in rows.items()}

    def _event(self, kind, number):
        dice = self.dice
        jump = dice.random()
        if jump > 0.12:  # else a tie
            self.ts += int(dice.integers(1, 8)) * MS + int(dice.integers(0, 1000))
        if jump > 0.9:
            self.ts = -(-self.ts // (50 * MS)) * 50 * MS
        if jump > 0.995:
            self.ts += int(dice.integers(1, 70)) * 1000 * MS
        self.sequence += dice.random() > 0.02
        row = np.zeros(1, DTYPES[kind])
        row["kind"], row["sequence"], row["ts_recv"] = kind, self.sequence, self.ts
        row["ts_event"] = self.ts - int(dice.integers(-1, 12)) * MS // 2
        self._fill(row, kind, number)
        return row

    def _fill(self, row, kind, number):
        dice, tick, unit = self.dice, self.ticks[number], _SIZES[number]
        if kind in (Kind.QUOTE, Kind.BOOK, Kind.TICKER):
            self.bids[number] += int(dice.integers(-1, 2)) * (dice.random() < 0.5)
            self.spreads[number] = max(1, self.spreads[number] + int(dice.integers(-1, 2)))
            self.spreads[number] = min(self.spreads[number], 4)
        bid, ask = self.bids[number], self.bids[number] + self.spreads[number]
        size = lambda: round(float(dice.integers(1, 9)) * unit, 3)  # noqa: E731
        if kind is Kind.QUOTE:
            row["bid_price"], row["ask_price"] = bid * tick, ask * tick
            row["bid_size"], row["ask_size"] = size(), size()
        elif kind is Kind.TRADE:
            side = int(dice.integers(2))
            beside = int(dice.integers(-1, 2)) * (dice.random() < 0.3)
            row["aux"], row["size"] = side, size()
            row["price"] = ((bid if side else ask) + beside) * tick
        elif kind is Kind.BOOK:
            levels = np.arange(5)
            row["bid_price"], row["ask_price"] = (bid - levels) * tick, (ask + levels) * tick
            row["bid_size"] = [[size() for _ in levels]]
            row["ask_size"] = [[size() for _ in levels]]
        elif kind is Kind.TICKER:
            row["last_price"], row["bid_price"], row["ask_price"] = (
                bid * tick,
                bid * tick,
                ask * tick,
            )
        elif kind is Kind.BAR:
            row["close"] = bid * tick
        else:
            row["lost"][0, int(Kind.TRADE)] = 3


def joined(parts, dtype):
    """Return rows one after the other; `numpy.concatenate` would drop their padding."""
    out = np.zeros(sum(len(part) for part in parts), dtype)
    out.view(np.uint8)[:] = np.concatenate([part.view(np.uint8) for part in parts])
    return out


def random_data(seed, n=600, n_instruments=2, kinds=_KINDS):
    """Return a random market as a Data."""
    market = Market(seed, n_instruments)
    return Data.from_arrays(market.arrays(n, kinds), INSTRUMENTS)


def strategy(name):
    """Return the class of a file of this folder, or of a path."""
    path = name if isinstance(name, Path) else FOLDER / f"{name}.py"
    return load_class(path)


class Outcome:
    """Everything a simulation left, as bytes that can be compared."""

    def __init__(self, simulation):
        ledger = simulation.ledger
        self.orders, self.fills, self.equity = map(ledger.rows, ("orders", "fills", "equity"))
        self.marks = ledger.marks
        self.errors, self.failure = simulation.n_errors, simulation.failure
        self.position, self.now = simulation.position, simulation.now
        inner = simulation.body._inner
        inner.write_state()
        state = simulation._context.state
        self.state = {} if state is None else {n: state[n][0].tolist() for n in state.dtype.names}
        names = ("n_requests", "n_cancels", "n_modifies", "lost", "volume")
        self.counts = {name: ledger.view[name].item() for name in names}
        self.counts["rejects"] = ledger.view["rejects"].tolist()

    def differences(self, other):
        """Return the names of what differs."""
        found = [
            name
            for name in ("orders", "fills", "equity", "marks")
            if getattr(self, name).tobytes() != getattr(other, name).tobytes()
        ]
        plain = ("errors", "position", "now", "state", "counts")
        # As text, in which NaN is NaN.
        found += [n for n in plain if repr(getattr(self, n)) != repr(getattr(other, n))]
        # Numba knows the line of a raise, Python that of the callback.
        return found + ["failure"] * (bool(self.failure) != bool(other.failure))


def simulate(cls, data, settings=None, *, jit, budget=0, first_rows=0, look=None, **params):
    """Put all data through a strategy; return an Outcome. `look` sees it between two steps."""
    values = {name: param.default for name, param in declare(cls).params.items()} | params
    simulation = Simulation(cls, values, data, settings or Settings(), is_compiled=jit)
    if first_rows:
        simulation.ledger.__init__(
            simulation.core.address,
            simulation.core.max_orders,
            strategy=0,
            cash=simulation.settings.cash,
            n_marks=len(data.instruments),
            sample_ns=simulation.settings.sample_ns,
            first_rows=first_rows,
        )
        simulation.view["ledger"] = simulation.ledger.address
    if budget:
        simulation._pace = lambda *_: None
        simulation.budget = budget
    while simulation.step():
        if look is not None:
            look(simulation)
    simulation.finish()
    return Outcome(simulation)


@st.composite
def worlds(draw, n=500):
    """Draw a market and the settings of a simulation."""
    data = random_data(
        draw(st.integers(0, 1 << 32), label="market"),
        n=draw(st.integers(1, n), label="events"),
        n_instruments=draw(st.integers(1, 3), label="instruments"),
        kinds=draw(st.sampled_from([_KINDS, _CALM_KINDS, _CALM_KINDS]), label="kinds"),
    )
    spans = st.sampled_from([0, 0, 1, 700_000, 2 * MS, 5 * MS, 60 * MS])
    latency = Latency(
        draw(st.one_of(st.just("recorded"), spans), label="feed"),
        draw(spans, label="order"),
        draw(spans, label="response"),
    )
    drawn = draw(st.booleans(), label="sampled")
    if drawn:
        points = [[0, 1 * MS, 3 * MS], [0, 2 * MS, 40 * MS]]
        latency = Latency.sampled(order_ns=points[0], response_ns=points[1], feed=latency.feed)
    queues = ["risk_averse", "touch", "crossed", "front", ("power_prob", 3.0), "log_prob"]
    swap = INSTRUMENTS[1].symbol
    times = draw(st.lists(st.integers(data.first_ts, data.last_ts), max_size=4), label="funding")
    return data, Settings(
        latency=latency,
        queue=draw(st.sampled_from(queues), label="queue"),
        partial_fills=draw(st.booleans(), label="partial fills"),
        fees=Fees(maker=draw(st.sampled_from([0.0002, -0.0001])), taker=0.0005),
        limits=RiskLimits(orders_per_second=draw(st.sampled_from([20.0, 1e4]), label="rate")),
        sample_ns=draw(st.sampled_from([50, 100, 1000]), label="sample ms") * MS,
        unlimited_depth=draw(st.booleans(), label="unlimited depth"),
        funding=tuple((ts, swap, 0.001 * (i - 1)) for i, ts in enumerate(sorted(times))),
    )


def actions():
    """Draw parameters of the strategy in acting.py."""
    return st.fixed_dictionaries(
        {
            "pace": st.integers(1, 40),
            "start": st.integers(0, 1_000_000),
            "mask": st.integers(0, 255),
            "faults": st.sampled_from([0, 0, 0, 1, 2, 5, 50]),
            "size": st.sampled_from([0.01, 0.05, 0.4, 2.0]),
        }
    )


# Thousands of planned exceptions: what is logged of one has tests of its own.
logging.getLogger("livekit.strategy.lines").setLevel(logging.CRITICAL)
