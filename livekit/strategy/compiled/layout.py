"""What machine code knows of a strategy class: where its fields lie, and its methods.

Made once per class from its declaration. Distances are from the context's address,
where the params record and the state record follow each other (context.py).
Layer 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numba import types

from livekit.strategy.compiled.views import VIEWS, View
from livekit.strategy.declaration import Declaration
from livekit.strategy.layout import params_offset, state_offset

__all__ = ["Field", "Layout"]

_KINDS: Final = {"f": types.float64, "i": types.int64, "b": types.boolean}


@dataclass(frozen=True, slots=True)
class Field:
    """One number, or array of float64, behind the context.

    Attributes
    ----------
    kind : numba type
        float64, int64 or boolean.
    offset : int
        Bytes from the context's address.
    length : int
        Elements of an array, 0 for a number.
    """

    kind: Any
    offset: int
    length: int = 0


@dataclass(eq=False, slots=True)
class Layout:
    """One class, as its Numba types carry it; equal only to itself.

    Attributes
    ----------
    identity : str
        Name of the class and hash of its text, for the names of machine code.
    fields, params : dict of str to Field
    symbols : tuple of str
    uses_book : bool
    methods, properties : dict of str to dispatcher
        The user's own helper methods and getters.
    """

    identity: str
    fields: dict[str, Field]
    params: dict[str, Field]
    symbols: tuple[str, ...]
    uses_book: bool
    methods: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=lambda: VIEWS)

    @classmethod
    def of(cls, declaration: Declaration, identity: str) -> "Layout":
        """Return the layout of a class, its methods still to be filled in."""
        params = declaration.params_dtype
        return cls(
            identity,
            _fields(declaration.state_dtype, state_offset(params.itemsize)),
            _fields(params, params_offset()),
            declaration.symbols,
            declaration.uses_book,
        )


def _fields(record: np.dtype[np.void], start: int) -> dict[str, Field]:
    fields = {}
    for name, (dtype, offset, *_) in (record.fields or {}).items():
        base, shape = dtype.subdtype or (dtype, ())
        length = int(shape[0]) if shape else 0
        fields[name] = Field(_KINDS[base.kind], start + int(offset), length)
    return fields
