"""The user's models, compiled and written into the memory of a core.

A latency or a queue model that is a function of the user's own is compiled for the one
signature the core calls, and the core holds its address; tables are copied into the
core's block. What such a function returns is checked for its type here and for its
range where it is used.
Layer 2.
"""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from livekit.errors import ConfigError
from livekit.trading.latency import Interpolated, Latency, Sampled
from livekit.trading.queue_model import KINDS, QueueModel

__all__ = [
    "CONSTANT",
    "DRAWN",
    "FUNCTION",
    "INTERPOLATED",
    "call_probability",
    "latency_table",
    "write_latency",
    "write_queue",
]

CONSTANT, DRAWN, INTERPOLATED, FUNCTION = range(4)
"""Kinds of a line's latency."""


@intrinsic
def call_probability(_context: Any, address: Any, front: Any, back: Any) -> Any:  # noqa: ARG001
    """Call the function of two float64 that returns one, at an address."""
    kinds = (types.float64, types.float64)

    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        convention = context.call_conv
        kind = convention.get_function_type(types.float64, kinds)
        callee = builder.inttoptr(args[0], kind.as_pointer())
        status, result = convention.call_function(builder, callee, types.float64, kinds, args[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return types.float64(types.int64, *kinds), codegen


def _compile(name: str, function: Any, kind: Any, words: str) -> int:
    """Compile a user's function of two `kind` that returns one; its address."""
    if not hasattr(function, "get_compile_result"):
        raise ConfigError(
            f"{name} function is {function!r}, expected one compiled with numba.njit {words}"
        )
    try:
        function.compile((kind, kind))
    except (NumbaError, TypeError) as error:
        raise ConfigError(
            f"{name} function {function.__name__!r} does not compile {words}: {error}"
        ) from error
    returned = function.overloads[(kind, kind)].signature.return_type
    returned = types.unliteral(returned)
    if returned != kind:
        raise ConfigError(
            f"{name} function {function.__name__!r} returns {returned}, expected {kind}, {words}"
        )
    result = function.get_compile_result(kind(kind, kind))
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def latency_table(latency: Latency) -> np.ndarray:
    """Return the points of both directions one after the other, int64, as the core holds them."""
    parts = [np.zeros(0, np.int64)]
    for way in (latency.order, latency.response):
        if isinstance(way, Sampled):
            parts.append(way.values)
        elif isinstance(way, Interpolated):
            parts += [way.ts, way.values]
    return np.concatenate(parts)


def write_latency(lines: np.ndarray, latency: Latency, table: int) -> None:
    """Write a latency into the two LINE rows; `table` is the offset of its points.

    Raises
    ------
    ConfigError
        A function is not compiled, or not of (ts_ns, sequence) -> ns.
    """
    for line, name in zip(lines, ("order", "response"), strict=True):
        way = getattr(latency, name)
        line["kind"] = CONSTANT
        if isinstance(way, int):
            line["delay_ns"] = way
        elif isinstance(way, Sampled):
            line["kind"], line["seed"], line["n_points"] = DRAWN, way.seed, len(way.values)
            line["table"], table = table, table + 8 * len(way.values)
        elif isinstance(way, Interpolated):
            line["kind"], line["n_points"] = INTERPOLATED, len(way.values)
            line["table"], table = table, table + 16 * len(way.values)
        else:
            line["kind"] = FUNCTION
            words = "for (ts_ns: int64, sequence: int64) -> ns: int64"
            line["function"] = _compile(f"{name} latency", way, types.int64, words)


def write_queue(header: np.ndarray, model: QueueModel) -> None:
    """Write a queue model into the core's header.

    Raises
    ------
    ConfigError
        A function is not compiled, or not of (front, back) -> probability.
    """
    header["queue_kind"] = KINDS[model.name]
    header["queue_exponent"] = model.exponent
    header["is_hidden_empty"] = model.hidden == "empty"
    if model.function is not None:
        words = "for (front: float64, back: float64) -> probability: float64"
        header["queue_function"] = _compile("queue", model.function, types.float64, words)
