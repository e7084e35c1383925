"""How long messages take: between exchange and strategy, and back, as plain values.

A `Latency` is what a user writes and a report names. It knows nothing of Numba, so a
configuration can be read and refused without importing it; `trading.models` turns it
into the numbers and addresses that the core's memory holds.
Layer 2.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError

__all__ = ["Interpolated", "Latency", "Sampled", "parse_ns"]

_UNITS: Final = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_TEXT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)\s*")
_LONGEST_NS: Final = 86_400_000_000_000
_EXPECTED: Final = 'whole nanoseconds from 0 to a day, or a text such as "2ms", "150us" or "1.5s"'


def parse_ns(name: str, value: Any) -> int:
    """Read a span of time as nanoseconds.

    Parameters
    ----------
    name : str
        What it is, for the message of a refusal.
    value : int or str
        Nanoseconds, or a decimal number with a unit: ns, us, ms, s.

    Raises
    ------
    ConfigError
        It is neither, negative, or longer than a day.
    """
    span: Any = None
    if isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_):
        span = int(value)
    elif isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        span = round(Fraction(match[1]) * _UNITS[match[2]])
    if span is None or not 0 <= span <= _LONGEST_NS:
        raise ConfigError(f"{name} latency is {value!r}, expected {_EXPECTED}")
    return int(span)


def _points(name: str, values: Any) -> np.ndarray:
    """Return measured latencies as int64[n], checked."""
    points = np.asarray(values)
    is_whole = points.dtype.kind in "iu" or (
        points.dtype.kind == "f" and bool(np.isfinite(points).all())
    )
    if points.ndim != 1 or len(points) == 0 or not is_whole:
        raise ConfigError(
            f"{name} latencies are {points.dtype} of shape {points.shape}, expected one "
            "dimension of nanoseconds with at least one value"
        )
    if points.min() < 0 or points.max() > _LONGEST_NS:
        raise ConfigError(
            f"{name} latencies run from {points.min()} to {points.max()} ns, expected values "
            "from 0 to a day"
        )
    return np.ascontiguousarray(np.rint(points) if points.dtype.kind == "f" else points, np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Sampled:
    """Latencies of a recorded run, int64[n] ns; each message draws one by its number."""

    values: np.ndarray
    seed: int

    def describe(self) -> str:
        """Say it in words."""
        return f"sampled from {len(self.values)}, median {_text(int(np.median(self.values)))}"


@dataclass(frozen=True, eq=False, slots=True)
class Interpolated:
    """Latencies at points of time, int64[n] ns each; straight lines between them."""

    ts: np.ndarray
    values: np.ndarray

    def describe(self) -> str:
        """Say it in words."""
        return f"interpolated from {len(self.values)}, median {_text(int(np.median(self.values)))}"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long market data, orders and answers take.

    Parameters
    ----------
    feed : int or str
        From an event at the exchange until the strategy sees it: a span, or
        "recorded", where the exchange lives at `ts_event` and the strategy at `ts_recv`.
    order : int, str or callable
        From a request until it is at the venue. A callable is a function compiled with
        `numba.njit`, of the time (ns) and the number of the message, that returns ns;
        below 0 counts as 0.
    response : int, str or callable
        From what happens at the venue until the strategy's side knows it.

    Raises
    ------
    ConfigError
        A value is none of these.

    Notes
    -----
    Messages of one direction keep their order: one that draws a shorter time waits for
    the one before it.

    Examples
    --------
    >>> Latency(order="2ms", response="1.5ms").describe()
    'order 2ms, response 1.5ms'
    """

    feed: int | str = 0
    order: Any = 0
    response: Any = 0

    def __post_init__(self) -> None:
        """Check the values and turn texts into nanoseconds."""
        if self.feed != "recorded":
            object.__setattr__(self, "feed", parse_ns("feed", self.feed))
        for name in ("order", "response"):
            value = getattr(self, name)
            if not isinstance(value, Sampled | Interpolated | Callable):
                object.__setattr__(self, name, parse_ns(name, value))

    @property
    def is_feed_recorded(self) -> bool:
        """Whether the feed's latency is what was recorded of every event."""
        return self.feed == "recorded"

    @property
    def feed_ns(self) -> int:
        """The feed's constant latency; 0 where it is the recorded one."""
        return 0 if isinstance(self.feed, str) else int(self.feed)

    @property
    def is_zero(self) -> bool:
        """Whether orders and answers take no time at all."""
        return all(isinstance(way, int) and way == 0 for way in (self.order, self.response))

    @classmethod
    def sampled(
        cls, *, order_ns: Any, response_ns: Any, seed: int = 0, feed: int | str = 0
    ) -> "Latency":
        """Return latencies drawn from a recorded run.

        Parameters
        ----------
        order_ns, response_ns : array_like
            Measured latencies, nanoseconds.
        seed : int
            Message n draws the same value in every run with the same seed.
        feed : int or str
            As of `Latency`.
        """
        if not isinstance(seed, int | np.integer) or not -(1 << 63) <= seed < 1 << 63:
            raise ConfigError(f"seed is {seed!r}, expected a whole number of 64 bits")
        order = Sampled(_points("order", order_ns), int(seed))
        response = Sampled(_points("response", response_ns), int(seed) ^ (1 << 40))
        return cls(feed, order, response)

    @classmethod
    def interpolated(
        cls, ts: Any, order_ns: Any, response_ns: Any, *, feed: int | str = 0
    ) -> "Latency":
        """Return latencies measured at points of time, interpolated between them.

        Parameters
        ----------
        ts : array_like
            Times of the measurements, ns since the epoch, not falling. Before the first and
            after the last its value holds.
        order_ns, response_ns : array_like
            Latencies at these times, nanoseconds.
        feed : int or str
            As of `Latency`.
        """
        times = np.asarray(ts)
        if times.dtype.kind not in "iu" or times.ndim != 1 or (np.diff(times) < 0).any():
            raise ConfigError(
                f"times of the latencies are {times.dtype} of shape {times.shape}, expected one "
                "dimension of whole nanoseconds in rising order"
            )
        times = np.ascontiguousarray(times, np.int64)
        ways = []
        for name, values in (("order", order_ns), ("response", response_ns)):
            points = _points(name, values)
            if len(points) != len(times):
                raise ConfigError(
                    f"{name} latencies are {len(points)}, expected one for each of the "
                    f"{len(times)} times"
                )
            ways.append(Interpolated(times, points))
        return cls(feed, *ways)

    @classmethod
    def parse(cls, text: str) -> "Latency":
        """Read latencies from ``order=2ms,response=1ms,feed=recorded``; empty for none.

        Raises
        ------
        ConfigError
            A part names no latency, or its value is no span of time.
        """
        values: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, sign, value = (piece.strip() for piece in part.partition("="))
            if not sign or name not in cls.__dataclass_fields__:
                raise ConfigError(
                    f"latency {part!r} is none; write feed=, order= or response= and a span of "
                    "time, such as order=2ms,response=1ms"
                )
            values[name] = int(value) if value.isdigit() else value
        return cls(**values)

    def describe(self) -> str:
        """Say it in words, for a report."""
        parts = [] if self.feed == 0 else [f"feed {_say(self.feed)}"]
        parts += [f"order {_say(self.order)}", f"response {_say(self.response)}"]
        return "none" if parts == ["order 0", "response 0"] else ", ".join(parts)


def _say(value: Any) -> str:
    """Name one latency."""
    if isinstance(value, int):
        return _text(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Sampled | Interpolated):
        return value.describe()
    return f"{getattr(value, '__name__', type(value).__name__)}()"


def _text(span: int) -> str:
    """Write nanoseconds with the largest unit that leaves at least one."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if span >= size:
            whole = span / size
            return f"{whole:.0f}{unit}" if math.floor(whole) == whole else f"{whole:.6g}{unit}"
    return f"{span}ns" if span else "0"
