"""The parameter sets of a sweep: a grid, or a random choice from it.

    fast=[10, 20, 30], slow=range(100, 500, 100), size=0.01

A list, range, array or anything else that gives values is searched over; a number is
fixed. The grid is in the order of writing, the last parameter changing fastest.
Layer 3.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.backtest import check_params
from livekit.strategy.declaration import Declaration

__all__ = ["Space", "make_space"]

_MAX_SETS: Final = 1_000_000
_DRAWS_PER_SET: Final = 1000
_METHODS: Final = ("grid", "random")

Where = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Space:
    """The parameter sets of a sweep.

    Attributes
    ----------
    varied : dict of str to list
        The values of each parameter that is searched over.
    fixed : dict of str to number
        The parameters given as one number.
    sets : list of dict
        All parameters of each set, the strategy's defaults too.
    places : int64[n_sets, n_varied]
        Number of the value of each varied parameter.
    """

    varied: dict[str, list[float]]
    fixed: dict[str, float]
    sets: list[dict[str, float]]
    places: np.ndarray


def make_space(
    declaration: Declaration,
    params: Mapping[str, Any],
    where: Where | None,
    method: str,
    n: int | None,
    seed: int,
) -> Space:
    """Return the parameter sets to run.

    Parameters
    ----------
    declaration : Declaration
    params : mapping of str to number or iterable of numbers
    where : callable, optional
        Called with a namespace of all parameters; keeps a set if it returns True.
    method : str
        ``grid`` for all sets, ``random`` for `n` different ones.
    n : int, optional
    seed : int
        Of the random choice.

    Raises
    ------
    ConfigError
        An unknown parameter, a value out of its range, nothing to run, too many sets, or
        a `where` that raises.
    """
    varied, fixed = _split(declaration, params)
    base = check_params(declaration, fixed)
    size = math.prod(len(values) for values in varied.values())
    if method not in _METHODS:
        raise ConfigError(f"method is {method!r}, expected 'grid' or 'random'")
    if method == "random" and (n is None or n < 1):
        raise ConfigError(f"n is {n!r}, expected how many parameter sets to draw, 1 or more")
    if method == "grid" and n is not None:
        raise ConfigError(f"n is {n!r} with method 'grid', which takes all; use method='random'")
    if (size if method == "grid" else n or 0) > _MAX_SETS:
        raise ConfigError(
            f"there are {size:,} parameter sets, expected at most {_MAX_SETS:,}; give fewer "
            "values, or method='random' with n"
        )
    order: Iterable[int] = range(size) if method == "grid" else _draw(size, n or 0, seed)
    wanted = size if method == "grid" else n or 0
    sets, places = _keep(varied, base, where, order, wanted)
    if not sets:
        raise ConfigError(
            f"no parameter set is left: 'where' refuses all it was asked for of {size:,}; relax "
            "it or give other values"
        )
    return Space(varied, fixed, sets, np.array(places, np.int64).reshape(len(sets), len(varied)))


def _split(
    declaration: Declaration, params: Mapping[str, Any]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the values of each varied parameter, checked, and the fixed ones."""
    varied: dict[str, list[float]] = {}
    fixed: dict[str, float] = {}
    for name, given in params.items():
        is_one = isinstance(given, np.ndarray) and given.ndim == 0
        if is_one or isinstance(given, str) or not isinstance(given, Iterable):
            value = given.item() if is_one else given
            fixed[name] = check_params(declaration, {name: value})[name]
            continue
        values = [check_params(declaration, {name: one})[name] for one in given]
        if not values:
            # An unknown name is the likelier mistake, and said first.
            check_params(declaration, {name: 0} if name not in declaration.params else {})
            raise ConfigError(f"parameter {name!r} has no values, expected at least one")
        varied[name] = list(dict.fromkeys(values))
    return varied, fixed


def _draw(size: int, n: int, seed: int) -> Iterator[int]:
    """Yield different places of the grid at random."""
    rng = np.random.default_rng(seed)
    if size <= _MAX_SETS:
        yield from rng.permutation(size).tolist()
        return
    seen: set[int] = set()
    for _ in range(_DRAWS_PER_SET * n):
        place = int(rng.integers(size)) if size < 1 << 62 else _large(rng, size)
        if place not in seen:
            seen.add(place)
            yield place


def _large(rng: np.random.Generator, size: int) -> int:
    return int.from_bytes(rng.bytes(size.bit_length() // 8 + 8), "little") % size


def _keep(
    varied: dict[str, list[float]],
    base: dict[str, float],
    where: Where | None,
    order: Iterable[int],
    wanted: int,
) -> tuple[list[dict[str, float]], list[list[int]]]:
    """Return the first sets that `where` keeps, and their places."""
    sets: list[dict[str, float]] = []
    places: list[list[int]] = []
    lengths = [len(values) for values in varied.values()]
    for flat in order:
        place, rest = [], flat
        for length in reversed(lengths):
            rest, number = divmod(rest, length)
            place.append(number)
        place.reverse()
        chosen = {name: varied[name][i] for name, i in zip(varied, place, strict=True)}
        one = base | chosen
        if where is None or _is_kept(where, one):
            sets.append(one)
            places.append(place)
            if len(sets) == wanted:
                break
    return sets, places


def _is_kept(where: Where, one: dict[str, float]) -> bool:
    try:
        return bool(where(SimpleNamespace(**one)))
    except Exception as error:
        said = ", ".join(f"{name}={value!r}" for name, value in one.items())
        raise ConfigError(
            f"where raised {type(error).__name__}: {error} for {said}; it gets an object with the "
            "parameters as attributes, such as lambda p: p.fast < p.slow"
        ) from error
