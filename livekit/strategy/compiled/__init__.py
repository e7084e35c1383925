"""Compiled strategies: the same text as interpreted, as machine code.

`Compiled` runs a strategy in its process, with the same face as `Interpreted`; `build`
gives the native callbacks to anybody else, such as a backtest.
Layer 2.
"""

from livekit.strategy.compiled.program import Program, build
from livekit.strategy.compiled.runner import Compiled

__all__ = ["Compiled", "Program", "build"]
