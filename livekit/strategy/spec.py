"""What a strategy is, as data: the JSON that the engine and every observer reads.

Made by the strategy's own process from its class and the parameters chosen, before it
is registered, so that a mistake of the user's is found while nothing exists yet.
Layer 2.
"""

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from livekit.errors import ConfigError
from livekit.strategy.code_hash import code_hash_of
from livekit.strategy.declaration import Declaration, Param

__all__ = ["describe", "did_you_mean", "parse_params"]


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: what is known, the nearest first."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}there is {', '.join(map(repr, known)) or 'none'}"


def parse_params(declaration: Declaration, pairs: Sequence[str]) -> dict[str, float]:
    """Return the value of every parameter: the defaults, and ``name=value`` pairs over them.

    Raises
    ------
    ConfigError
        A pair is none, names no parameter, or its value is no number or out of range.
    """
    values = {name: param.default for name, param in declaration.params.items()}
    for pair in pairs:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or not name:
            raise ConfigError(f"parameter {pair!r} is not of the form name=value, such as size=0.1")
        param = declaration.params.get(name)
        if param is None:
            raise ConfigError(
                f"strategy {declaration.name!r} has no parameter {name!r}; "
                + did_you_mean(name, list(declaration.params))
            )
        values[name] = param.check(f"parameter {name!r}", _number(name, text, param))
    return values


def _number(name: str, text: str, param: Param) -> float:
    if param.type is bool and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return int(text) if param.type is int else float(text)
    except ValueError:
        raise ConfigError(
            f"parameter {name!r} is {text!r}, expected "
            + ("a whole number" if param.type is int else "a number")
        ) from None


def _fields(dtype: np.dtype) -> list[list[Any]]:
    assert dtype.fields is not None
    described = []
    for name in dtype.names or ():
        base, shape = dtype.fields[name][0].base, dtype.fields[name][0].shape
        code = "?" if base == np.dtype(bool) else base.str
        described.append([name, code, list(shape)] if shape else [name, code])
    return described


def _bound(value: float) -> float | None:
    return value if math.isfinite(value) else None


def describe(
    declaration: Declaration, values: dict[str, float], *, file: Path, is_compiled: bool
) -> dict[str, Any]:
    """Return a strategy's description for its segment.

    A state field of several elements has its shape as a third item; a bound of a
    parameter that has none is None.
    """
    params = [
        {
            "name": name,
            "value": values[name],
            "default": param.default,
            "low": _bound(param.low),
            "high": _bound(param.high),
            "hot": param.hot,
        }
        for name, param in declaration.params.items()
    ]
    return {
        "class": declaration.name,
        "file": str(file),
        "hash": code_hash_of(file),
        "mode": "compiled" if is_compiled else "interpreted",
        "symbols": list(declaration.symbols),
        "kinds": declaration.kinds,
        "timer_ns": declaration.timer_ns,
        "params": params,
        "params_dtype": _fields(declaration.params_dtype),
        "state_dtype": _fields(declaration.state_dtype),
        "params_bytes": declaration.params_dtype.itemsize,
        "state_bytes": declaration.state_dtype.itemsize,
        "doc": declaration.doc.split("\n\n")[0],
    }
