"""Synthetic days of market data, for learning, tests and the bundled `replay_data`.

What is generated comes from a zero-intelligence limit order book
(store/market_model.py), not from a market: it has spreads, depth, bursts, trends and a
ratio that reverts, and nothing of it predicts anything real. The same arguments give
the same events on every machine.
Layer 3.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from livekit.book import OrderBook
from livekit.errors import ConfigError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, Recording
from livekit.store.market_model import run, settle
from livekit.store.schema import join
from livekit.store.synthetic_tape import KINDS, MARKET, OUTPUT, WORLD

__all__ = ["DEFAULT_DAY", "DEFAULT_SEED", "PROFILES", "Profile", "generate", "simulate"]

DEFAULT_DAY: Final = "2026-01-05"
DEFAULT_SEED: Final = 7

_NS: Final = 1_000_000_000
_OUTPUT_ROWS: Final = 1 << 14
_OPENING_ORDERS: Final = 60
_COMMON_SIGMA: Final = 4.4e-5  # per square root of a second: 1.3 % a day


@dataclass(frozen=True, slots=True)
class Profile:
    """What the generator knows of an instrument.

    Attributes
    ----------
    symbol : str
    price : float
        At the start of the day.
    ticks_per_unit, lots_per_unit : int
        1 / tick and 1 / lot, which makes every price and size an exact decimal.
    min_quantity : float
    rate : float
        Arrivals (limit, market, cancel) per second at activity 1.
    beta : float
        Of the common factor.
    own_sigma : float
        Of the mean-reverting part, relative, per square root of a second.
    width : float
        Typical distance of an order from the fair value, ticks.
    depth : int
        Levels a side tends to.
    unit_size : float
        Typical small order, lots.
    volume : float
        Of the 24 hours before, units.
    ticker_interval_ms, book_interval_ms : int
        Least time between two tickers, and between two five-level books.
    """

    symbol: str
    price: float
    ticks_per_unit: int
    lots_per_unit: int
    min_quantity: float
    rate: float
    beta: float
    own_sigma: float
    width: float
    depth: int
    unit_size: float
    volume: float
    ticker_interval_ms: int = 3000
    book_interval_ms: int = 5000

    def instrument(self) -> Instrument:
        """Return the instrument with its steps."""
        return Instrument(
            symbol=self.symbol,
            tick=1 / self.ticks_per_unit,
            lot=1 / self.lots_per_unit,
            min_quantity=self.min_quantity,
        )


PROFILES: Final[dict[str, Profile]] = {
    "BTC-USDT": Profile(
        symbol="BTC-USDT",
        price=91_250.0,
        ticks_per_unit=10,
        lots_per_unit=100_000,
        min_quantity=1e-5,
        rate=1.13,
        beta=1.0,
        own_sigma=0.4e-5,
        width=6.0,
        depth=40,
        unit_size=500.0,
        volume=9_400.0,
    ),
    "ETH-USDT": Profile(
        symbol="ETH-USDT",
        price=3_142.0,
        ticks_per_unit=100,
        lots_per_unit=10_000,
        min_quantity=1e-4,
        rate=0.98,
        beta=1.15,
        own_sigma=3.2e-5,
        width=4.0,
        depth=40,
        unit_size=1_000.0,
        volume=152_000.0,
    ),
}
"""The instruments that can be generated, by symbol."""


def simulate(
    profiles: Iterable[Profile],
    day: str = DEFAULT_DAY,
    seed: int = DEFAULT_SEED,
    *,
    hours: float = 24.0,
    activity: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[tuple[str, Kind], np.ndarray]:
    """Return the events of a synthetic day.

    Parameters
    ----------
    profiles : iterable of Profile
    day : str
        UTC day of the events.
    seed : int
        Another seed, another day.
    hours : float
        How much of the day, from midnight; at most 24.
    activity : float
        Factor on the rate of arrivals.
    progress : callable, optional
        Called now and then with (ns done, ns) of the day.

    Returns
    -------
    dict
        Structured arrays by (symbol, kind), in order; `sequence` orders them all.

    Raises
    ------
    ConfigError
        An argument is out of its range.
    """
    chosen = tuple(profiles)
    _check(chosen, day, hours, activity)
    start = int(np.datetime64(day, "ns").astype(np.int64))
    world, markets, outputs = np.zeros(1, WORLD), np.zeros(len(chosen), MARKET), []
    books = [OrderBook() for _ in chosen]
    view = world[0]
    view["markets"], view["n"] = markets.ctypes.data, len(chosen)
    view["start"], view["last_recv"] = start, start
    # The last 100 ms stay empty, so that everything is received within the day.
    view["end"] = int(hours * 3600 * _NS) - _NS // 10
    view["random"] = (seed * 0xD1342543DE82EF95 + start) % (1 << 64)
    view["activity"], view["common_sigma"] = activity, _COMMON_SIGMA
    buffers: dict[tuple[str, Kind], np.ndarray] = {}
    for market, profile, book in zip(markets, chosen, books, strict=True):
        rows = {kind: np.zeros(_OUTPUT_ROWS, DTYPES[kind]) for kind in KINDS}
        buffers |= {(profile.symbol, kind): rows[kind] for kind in KINDS}
        outputs.append(_outputs(list(rows.values())))
        _fill_market(market, profile, book, outputs[-1])
    for i in range(len(chosen)):
        settle(world.ctypes.data, markets.ctypes.data + i * MARKET.itemsize, _OPENING_ORDERS)
    return _run(world, outputs, buffers, progress)


def _run(
    world: np.ndarray,
    outputs: list[np.ndarray],
    buffers: dict[tuple[str, Kind], np.ndarray],
    progress: Callable[[int, int], None] | None,
) -> dict[tuple[str, Kind], np.ndarray]:
    """Run a prepared world to its end, taking the buffers' rows whenever one is full."""
    view = world[0]
    parts: dict[tuple[str, Kind], list[np.ndarray]] = {key: [] for key in buffers}
    is_done = False
    while not is_done:
        is_done = run(world.ctypes.data) == 1
        counts = np.concatenate([output["n"] for output in outputs])
        for (key, buffer), n in zip(buffers.items(), counts, strict=True):
            parts[key].append(buffer[:n].copy())
            buffer[:n] = np.zeros(1, buffer.dtype)
        for output in outputs:
            output["n"] = 0
        if progress is not None:
            progress(int(view["now"]), int(view["end"]))
    return {key: join(DTYPES[key[1]], chunks) for key, chunks in parts.items()}


def _check(profiles: tuple[Profile, ...], day: str, hours: float, activity: float) -> None:
    if not profiles:
        raise ConfigError(f"no symbols to generate; use some of {', '.join(PROFILES)}")
    if not 0 < hours <= 24:
        raise ConfigError(f"hours is {hours!r}, expected more than 0 and at most 24")
    if not 0.001 <= activity <= 1000:
        raise ConfigError(f"activity is {activity!r}, expected 0.001 to 1000")
    Catalog(".").path("X", Kind.TRADE, day)  # the same rule for a day everywhere


def _outputs(rows: list[np.ndarray]) -> np.ndarray:
    outputs = np.zeros(len(rows), OUTPUT)
    for output, array in zip(outputs, rows, strict=True):
        output["rows"], output["capacity"] = array.ctypes.data, len(array)
        output["n_bytes"] = array.itemsize
    return outputs


def _fill_market(market: np.void, profile: Profile, book: OrderBook, outputs: np.ndarray) -> None:
    for name in ("ticks_per_unit", "lots_per_unit", "rate", "beta", "own_sigma"):
        market[name] = getattr(profile, name)
    for name in ("width", "depth", "unit_size"):
        market[name] = getattr(profile, name)
    market["book"], market["outputs"] = book.address, outputs.ctypes.data
    market["price"] = profile.price * profile.ticks_per_unit
    market["volume"] = profile.volume * profile.lots_per_unit
    market["volume_decay"] = profile.volume * profile.lots_per_unit / 86_400
    market["ticker_interval"] = profile.ticker_interval_ms * 1_000_000
    market["book_interval"] = profile.book_interval_ms * 1_000_000
    market["trade_id"] = 600_000_000
    market["sequence_id"] = 70_000_000_000


def generate(
    root: str | Path,
    symbols: Iterable[str] | None = None,
    day: str = DEFAULT_DAY,
    seed: int = DEFAULT_SEED,
    *,
    hours: float = 24.0,
    activity: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recording]:
    """Write a synthetic day into a catalog, replacing the same symbols' files of that day.

    Parameters
    ----------
    root : path
        Folder of the catalog; created if need be.
    symbols : iterable of str, optional
        Of PROFILES; all by default. Instruments generated together are correlated.
    day, seed, hours, activity, progress
        As for `simulate`.

    Returns
    -------
    list of Recording
        The files written.

    Raises
    ------
    ConfigError
        An unknown symbol, or an argument out of its range.
    """
    names = tuple(PROFILES) if symbols is None else tuple(dict.fromkeys(symbols))
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        raise ConfigError(
            f"symbol {unknown[0]!r} cannot be generated; use some of {', '.join(PROFILES)}"
        )
    profiles = [PROFILES[name] for name in names]
    events = simulate(profiles, day, seed, hours=hours, activity=activity, progress=progress)
    catalog = Catalog(root)
    for (symbol, kind), rows in events.items():
        catalog.write(symbol, kind, day, rows)
    catalog.write_instruments(profile.instrument() for profile in profiles)
    return [one for one in catalog.list() if one.symbol in names and one.day == day]
