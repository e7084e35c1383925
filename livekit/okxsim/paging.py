"""Paging as OKX does it: newest first, `after` is older, `before` is newer, both exclusive.

Layer 4. Pure.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from livekit.okxsim.call import Call
from livekit.okxsim.codes import Refusal, refusal

__all__ = ["page"]

_Row = TypeVar("_Row")
_MOST = 100


def page(call: Call, rows: Iterable[_Row], name_of: Callable[[_Row], int]) -> list[_Row] | Refusal:
    """Return one page of rows that came oldest first.

    Parameters
    ----------
    name_of : callable
        The id that `after` and `before` compare with.
    """
    n = call.number("limit", _MOST, _MOST)
    bounds = [call.get("after"), call.get("before")]
    if n is None or any(text and not text.isdecimal() for text in bounds):
        return refusal("51000", "limit" if n is None else "after")
    after, before = (int(text) if text else None for text in bounds)
    chosen = [
        row
        for row in rows
        if (after is None or name_of(row) < after) and (before is None or name_of(row) > before)
    ]
    return sorted(chosen, key=name_of, reverse=True)[:n]
