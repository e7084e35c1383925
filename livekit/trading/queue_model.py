"""How a resting order's place in the queue is reckoned: the models by name, as plain values.

What the market shows of a price level is a size, not who stands where. A model turns
sizes and prints into what is still ahead of an order. It knows nothing of Numba;
`paper.queueing` holds the rules.
Layer 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from livekit.errors import ConfigError

__all__ = ["HIDDEN", "KINDS", "QueueModel"]

KINDS: Final = {
    "crossed": 0,
    "touch": 1,
    "front": 2,
    "risk_averse": 3,
    "power_prob": 4,
    "log_prob": 5,
    "function": 6,
}
"""Number of each model in the core's memory."""

HIDDEN: Final = ("keep", "empty")


@dataclass(frozen=True, slots=True)
class QueueModel:
    """Rule by which resting orders fill.

    Every model fills an order whole when the opposite touch reaches its price, and all
    but `touch` when a print goes through it. They differ in prints at its price:

    - ``risk_averse``: they take what is ahead of the order first; nothing else moves it
      forward, but a level that shrinks caps what can be ahead.
    - ``power_prob``, ``log_prob``: what leaves the level without a print left ahead of the
      order or behind it, with probability f(behind) / (f(behind) + f(ahead)) for behind;
      f(x) is x to the power `exponent`, or log(1 + x).
    - ``function``: the same with a probability of the user's own.
    - ``crossed``: they fill nothing.
    - ``touch``: as `crossed`, and prints through the price fill nothing either: the
      pessimist's bound.
    - ``front``: nothing is ahead of it, ever: the optimist's bound.

    Parameters
    ----------
    name : str
        One of the above.
    exponent : float
        Of ``power_prob``, above 0.
    function : callable, optional
        Of ``function``: compiled with `numba.njit`, of the quantities ahead and behind
        (units), that returns the probability of a decrease behind.
    hidden : str
        What a quote says of a level that it does not show: "keep" (nothing; the queue
        there stays) or "empty" (the quote is the whole book, so a level that is no
        longer the touch is gone, as in hftbacktest when quotes are written as depth).

    Raises
    ------
    ConfigError
        A value is none of these.

    Notes
    -----
    The models are hftbacktest's RiskAdverseQueueModel and ProbQueueModel with
    PowerProbQueueFunc and LogProbQueueFunc.
    """

    name: str = "risk_averse"
    exponent: float = 2.0
    function: Callable[..., Any] | None = None
    hidden: str = "keep"

    def __post_init__(self) -> None:
        """Refuse what is no model."""
        if self.name not in KINDS:
            raise ConfigError(
                f"queue model is {self.name!r}, expected one of {', '.join(KINDS)}, a pair such as "
                '("power_prob", 3), a function compiled with numba.njit, or a QueueModel'
            )
        is_number = isinstance(self.exponent, int | float) and not isinstance(self.exponent, bool)
        if not is_number or not 0 < self.exponent < math.inf:
            raise ConfigError(
                f"exponent of the queue model is {self.exponent!r}, expected a number above 0"
            )
        if (self.name == "function") != callable(self.function):
            raise ConfigError(
                f"queue model {self.name!r} came with function {self.function!r}, expected a "
                'function compiled with numba.njit for "function" and for nothing else'
            )
        if self.hidden not in HIDDEN:
            raise ConfigError(
                f"hidden levels of the queue model are {self.hidden!r}, expected one of "
                f"{', '.join(HIDDEN)}"
            )

    @classmethod
    def parse(cls, value: Any) -> "QueueModel":
        """Read a model from what a user may write: its name, a pair, a function, itself.

        ``power_prob:3`` is the pair in a text.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            name, sign, exponent = value.partition(":")
            try:
                return cls(name, float(exponent)) if sign and name == "power_prob" else cls(value)
            except ValueError:
                raise ConfigError(
                    f"exponent of the queue model is {exponent!r}, expected a number, as in "
                    "power_prob:3"
                ) from None
        if isinstance(value, tuple | list) and len(value) == 2 and value[0] == "power_prob":
            return cls("power_prob", value[1])
        if callable(value):
            return cls("function", function=value)
        raise ConfigError(
            f"queue model is {value!r}, expected one of {', '.join(KINDS)}, a pair such as "
            '("power_prob", 3), a function compiled with numba.njit, or a QueueModel'
        )

    def describe(self) -> str:
        """Say it in words, for a report."""
        text = self.name
        if self.name == "power_prob":
            text = f"power_prob {self.exponent:g}"
        elif self.function is not None:
            text = f"{getattr(self.function, '__name__', type(self.function).__name__)}()"
        return text if self.hidden == "keep" else f"{text}, hidden levels empty"
