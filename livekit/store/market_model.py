"""A zero-intelligence limit order book for several correlated instruments, seeded.

Limit orders, market orders and cancellations arrive as Poisson processes around the
touch; nobody in it has a plan. What moves the prices is a fair value per instrument

    fair = price · (1 + beta · common + own)

where `common` is a random walk with a slowly turning drift (so trends last minutes) and
`own` is mean-reverting (so the ratio of two instruments comes back). Orders are placed
around the fair value, market orders lean towards it, and quotes that it has left behind
are pulled or hit; spread, depth and bounce come out of that. Activity follows the hour
and bursts after trades.

The same seed gives the same bytes on every machine: random numbers are made by integer
arithmetic, and only +, -, ·, / and sqrt touch them, which IEEE 754 rounds exactly; there
is no log, exp or sine whose last bit depends on a library.
Layer 3. Pure: no clock, no I/O; works on records in memory given by address.
"""

from typing import Final

import numpy as np

from livekit.book import level_price, level_size, n_levels, set_level
from livekit.ring.jit import hot
from livekit.ring.memory import record
from livekit.store.synthetic_tape import MARKET, OUTPUT, ROOM, WORLD, emit_trade, publish

__all__ = ["run", "settle"]

_MARKET_BYTES: Final = MARKET.itemsize
_OUTPUT_BYTES: Final = OUTPUT.itemsize
_N_OUTPUTS: Final = 4
_NS: Final = 1_000_000_000
_DRIFT_RATE: Final = 1 / 400.0  # 1/s: trends last minutes
_DRIFT_SIGMA: Final = 1.2e-7
_OWN_RATE: Final = 1 / 1300.0  # half-life 15 minutes
_HEAT_SECONDS: Final = 8.0
_MAX_SWEEP: Final = 4  # levels one market order walks
_THIN: Final = 8  # levels a side always keeps

_HOURS: Final = np.array(
    [
        [0.75, 0.80, 0.70, 0.60, 0.55, 0.55, 0.60, 0.80, 1.05, 1.05, 0.95, 0.90],
        [1.05, 1.45, 1.80, 1.70, 1.50, 1.30, 1.15, 1.05, 1.00, 0.95, 0.90, 0.80],
    ]
).ravel()
"""Activity by UTC hour: quiet in the Asian morning, busiest when New York opens."""

_ROUND_SIZES: Final = np.array([1.0, 1.0, 2.0, 2.0, 4.0, 5.0, 10.0, 10.0, 20.0, 50.0, 100.0])

_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B: Final = np.uint64(0x94D049BB133111EB)
_S30: Final = np.uint64(30)
_S27: Final = np.uint64(27)
_S31: Final = np.uint64(31)
_S11: Final = np.uint64(11)


@hot
def _uniform(world: int) -> float:
    """Return a number in [0, 1): 53 bits of SplitMix64."""
    view = record(WORLD, world)
    view.random += _GAMMA
    bits = view.random
    bits = (bits ^ (bits >> _S30)) * _MIX_A
    bits = (bits ^ (bits >> _S27)) * _MIX_B
    bits ^= bits >> _S31
    return np.float64(np.int64(bits >> _S11)) / 9007199254740992.0


@hot
def _normal(world: int) -> float:
    """Return a nearly normal number: twelve uniforms, exact arithmetic, within ±6."""
    total = -6.0
    for _ in range(12):
        total += _uniform(world)
    return total


@hot
def _exponential(world: int) -> float:
    """Return an exponential number of mean 1 by von Neumann's comparisons."""
    whole = 0.0
    while True:
        first = _uniform(world)
        previous, n = first, 1
        while True:
            following = _uniform(world)
            if following >= previous:
                break
            previous = following
            n += 1
        if n & 1:
            return whole + first
        whole += 1.0


@hot
def _hour_activity(ns: int) -> float:
    """Return the activity at a time of day, linear between the hours."""
    hours = (ns % (24 * 3600 * _NS)) / (3600.0 * _NS)
    i = np.int64(hours)
    part = hours - i
    return _HOURS[i % 24] * (1.0 - part) + _HOURS[(i + 1) % 24] * part


@hot
def _move_fair(world: int, now: int) -> None:
    """Move the common factor, its drift and each instrument's own part to `now`."""
    view = record(WORLD, world)
    seconds = (now - view.now) / np.float64(_NS)
    view.now = now
    root = np.sqrt(seconds * _hour_activity(view.start + now))
    pull = seconds * _DRIFT_RATE
    view.drift += -view.drift * pull / (1.0 + pull) + _DRIFT_SIGMA * root * _normal(world)
    view.common += view.drift * seconds + view.common_sigma * root * _normal(world)
    pull = seconds * _OWN_RATE
    for i in range(view.n):
        market = record(MARKET, view.markets + i * _MARKET_BYTES)
        market.own += -market.own * pull / (1.0 + pull)
        market.own += market.own_sigma * root * _normal(world)
        market.fair = market.price * (1.0 + market.beta * view.common + market.own)


@hot
def _order_size(world: int, market: int) -> float:
    """Return the size of an order in lots: often a round number, else heavy-tailed."""
    unit = record(MARKET, market).unit_size
    if _uniform(world) < 0.45:
        return unit * _ROUND_SIZES[np.int64(_uniform(world) * len(_ROUND_SIZES))]
    size = 0.7 * unit / np.sqrt(_uniform(world) + 2e-5)
    return max(1.0, np.floor(size / 5.0)) * 5.0


@hot
def _place_limit(world: int, market: int, side: int) -> None:
    """Add a limit order: joining the touch, inside the spread, or behind it."""
    own = record(MARKET, market)
    sign = 1.0 - 2.0 * side
    best, other = level_price(own.book, side, 0), level_price(own.book, 1 - side, 0)
    draw = _uniform(world)
    if draw < 0.30 and not np.isnan(best):
        price = best
    else:
        distance = own.width * (1.0 / np.sqrt(_uniform(world) + 1e-4) - 0.6)
        price = np.floor(own.fair - sign * distance + 0.5)
    if not np.isnan(other):
        # Passive: never at or through the other side.
        price = min(price, other - 1.0) if side == 0 else max(price, other + 1.0)
    depth = 0
    while depth < 64 and level_price(own.book, side, depth) * sign > price * sign:
        depth += 1
    held = level_size(own.book, side, depth)
    if level_price(own.book, side, depth) != price:
        held = 0.0
    set_level(own.book, side, price, held + _order_size(world, market))


@hot
def _cancel(world: int, market: int, side: int) -> None:
    """Take away an order, more often near the touch; at times a part of a level."""
    own = record(MARKET, market)
    n = n_levels(own.book, side)
    if n <= _THIN:
        return
    draw = _uniform(world)
    depth = int(draw * np.sqrt(draw) * n)
    price, size = level_price(own.book, side, depth), level_size(own.book, side, depth)
    left = 0.0
    if _uniform(world) < 0.4:
        left = np.floor(size * _uniform(world) / 5.0) * 5.0
    set_level(own.book, side, price, left)


@hot
def _pull_stale(market: int, side: int) -> None:
    """Cancel the orders of one side that the fair value has passed."""
    own = record(MARKET, market)
    sign = 1.0 - 2.0 * side
    while n_levels(own.book, side) > 0:
        price = level_price(own.book, side, 0)
        if price * sign <= own.fair * sign:
            return
        set_level(own.book, side, price, 0.0)


@hot
def _refill(world: int, market: int) -> None:
    """Add limit orders where a side has become too thin to trade on."""
    book = record(MARKET, market).book
    for side in range(2):
        tries = 0
        while n_levels(book, side) < _THIN and tries < 64:  # orders may share a level
            _place_limit(world, market, side)
            tries += 1


@hot
def _send_market(world: int, market: int, taker: int) -> None:
    """Send a market order; it walks a few levels at most and never empties a side."""
    own = record(MARKET, market)
    own.flow = 0.7 * own.flow + 0.3 * (1.0 - 2.0 * taker)
    maker = 1 - taker
    left = _order_size(world, market) * 0.8
    left = max(1.0, np.floor(left))
    for _ in range(_MAX_SWEEP):
        if left <= 0.0 or n_levels(own.book, maker) <= 1:
            return
        price, size = level_price(own.book, maker, 0), level_size(own.book, maker, 0)
        done = min(left, size)
        set_level(own.book, maker, price, size - done)
        emit_trade(world, market, taker, price, done)
        left -= done


@hot
def _arrive(world: int, market: int) -> None:
    """Let one arrival happen: a limit order, a cancellation or a market order."""
    own = record(MARKET, market)
    bid, ask = level_price(own.book, 0, 0), level_price(own.book, 1, 0)
    if own.fair < bid or own.fair > ask:
        # The fair value has left the quotes behind: hit them, or pull them in time.
        stale = 0 if own.fair < bid else 1
        if _uniform(world) < 0.18:
            _send_market(world, market, 1 - stale)
        else:
            # Their makers quote again, and others follow on the other side.
            _pull_stale(market, stale)
            _place_limit(world, market, stale)
            _place_limit(world, market, 1 - stale)
        return
    draw = _uniform(world)
    side = 0 if _uniform(world) < 0.5 else 1
    n = n_levels(own.book, side)
    crowding = min(max((own.depth - n) / own.depth, -1.0), 1.0)
    if draw < 0.10:
        lean = min(max((own.fair - 0.5 * (bid + ask)) / (2.0 * own.width), -1.0), 1.0)
        buys = 0.5 + 0.25 * lean + 0.2 * own.flow
        _send_market(world, market, 0 if _uniform(world) < buys else 1)
    elif draw < 0.57 + 0.3 * crowding:
        _place_limit(world, market, side)
    else:
        _cancel(world, market, side)


@hot
def _schedule(world: int, market: int) -> None:
    """Draw the time of a market's next arrival."""
    own, view = record(MARKET, market), record(WORLD, world)
    cooled = (view.now - own.heat_time) / (_HEAT_SECONDS * _NS)
    own.heat /= 1.0 + cooled
    own.heat_time = view.now
    activity = view.activity * _hour_activity(view.start + view.now) * (0.7 + own.heat)
    wait = _exponential(world) / (own.rate * activity)
    own.due = view.now + 1 + np.int64(wait * _NS)


@hot
def _draw_latency(world: int) -> None:
    """Draw the way from the exchange: some milliseconds, now and then many; whole µs."""
    ms = 3.0 + 1.5 * _exponential(world)
    if _uniform(world) < 0.002:
        ms += 20.0 * _exponential(world)
    record(WORLD, world).latency = np.int64(ms * 1000.0) * 1000


@hot
def settle(world: int, market: int, n_orders: int) -> None:
    """Fill a new market's book with limit orders before the day begins; emits nothing."""
    own = record(MARKET, market)
    own.fair = own.price
    for _ in range(n_orders):
        _place_limit(world, market, 0)
        _place_limit(world, market, 1)
    _schedule(world, market)


@hot
def run(world: int) -> int:
    """Run the world to its end, or until an output is nearly full.

    Returns 1 at the end; 0 when the caller must take the rows, set `n` of the outputs
    to 0 and call again, which continues as if nothing had happened.
    """
    view = record(WORLD, world)
    while True:
        first = view.markets
        for i in range(1, view.n):
            market = view.markets + i * _MARKET_BYTES
            if record(MARKET, market).due < record(MARKET, first).due:
                first = market
        own = record(MARKET, first)
        if own.due >= view.end:
            return 1
        for output in range(_N_OUTPUTS):
            out = record(OUTPUT, own.outputs + output * _OUTPUT_BYTES)
            if out.n + ROOM > out.capacity:
                return 0
        _move_fair(world, own.due)
        _draw_latency(world)
        _arrive(world, first)
        _refill(world, first)
        publish(world, first)
        _schedule(world, first)
