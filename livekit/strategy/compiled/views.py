"""The attributes of events as compiled code sees them: what is loaded from where.

The names are those of the interpreted event objects (flyweight.py), and a test holds
the two together. Every whole number becomes an int64; members of enumerations are
their numbers, which compare with the members.
Layer 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from livekit.events import DTYPES, Kind

__all__ = ["NOT_COMPILED", "VIEWS", "Attribute", "View"]

NOT_COMPILED: Final = frozenset({"client_order_id"})
"""Attributes that are text and therefore not there in compiled code."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an event.

    Attributes
    ----------
    code : str
        Code of the NumPy type in memory, such as ``u1`` or ``f8``.
    offset : int
        Bytes from the start of the event.
    length : int
        Elements of an array, 0 for a number.
    mask : int
        Bits of the number that count, -1 for all.
    """

    code: str
    offset: int
    length: int = 0
    mask: int = -1


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """The attributes of one kind of event.

    Attributes
    ----------
    name : str
        ``quote``, ``order`` ...
    called : str
        The name with its article, for messages.
    side : str
        Attribute that `sign` is made of, empty where there is none.
    """

    name: str
    called: str
    kind: Kind
    attributes: Mapping[str, Attribute]
    side: str = ""

    def names(self) -> list[str]:
        """Return every attribute that compiled code may read."""
        extra = ["symbol", "timestamp", *(["sign"] if self.side else [])]
        return sorted([*self.attributes, *extra])


def _attributes(record: np.dtype[np.void]) -> dict[str, Attribute]:
    found = {}
    for name, (dtype, offset, *_) in (record.fields or {}).items():
        base, shape = dtype.subdtype or (dtype, ())
        if name not in NOT_COMPILED:
            length = int(shape[0]) if shape else 0
            found[name] = Attribute(base.str[1:], int(offset), length)
    return found


def _view(kind: Kind, record: Any) -> View:
    name = kind.name.lower()
    attributes = _attributes(record)
    if kind is Kind.TRADE:
        # The aggressor's side stands in the head's aux.
        attributes["side"] = Attribute("u4", attributes["aux"].offset, mask=1)
    article = "an" if name[0] in "aeiou" else "a"
    called = "a timer event" if kind is Kind.TIMER else f"{article} {name}"
    side = "side" if "side" in attributes else ""
    return View(name, called, kind, MappingProxyType(attributes), side)


VIEWS: Final = MappingProxyType(
    {kind.name.lower(): _view(kind, record) for kind, record in DTYPES.items()}
)
"""View of each kind of event, by its lower-case name."""
