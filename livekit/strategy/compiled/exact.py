"""Arithmetic that Numba would do otherwise than Python, done as Python does it.

Orders must be the same to the last bit both ways, and so must exceptions. The functions
named here are put into the text of a strategy in place of Python's own (rewrite.py).
Layer 2.
"""

from typing import Final

from livekit.strategy.compiled import arithmetic, sums
from livekit.strategy.compiled.functions import MATH
from livekit.strategy.compiled.library import FUNCTIONS

__all__ = ["FUNCTIONS", "MATH"]

_REGISTERED: Final = (arithmetic, sums)
"""Imported for the functions they register."""
