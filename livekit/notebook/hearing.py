"""Messages of a page reach its widget, whichever of the kernel's shells it names.

ipykernel 7.4 sends what a page says to a widget to the shell whose message the kernel
was at when it last sent something for that widget. A widget that is written to from a
thread notes whichever shell came last; when that was one of a page that is gone, or the
one in which a page asks for its widgets when it is loaded and which it ends at once, no
word of any page comes through any more, and each frame renews that. The page itself
names a shell that it keeps alive, as with every other ipykernel that has several.
Layer 5.
"""

from typing import Any, Final

__all__ = ["hear_pages"]

_ROUTE: Final = "_reply_subshell_for"  # of ipykernel 7.4; where it is not, nothing is amiss


def hear_pages(widget: Any) -> None:
    """Let a widget and all in it hear what pages say, in the shell that they name."""
    comm = getattr(widget, "comm", None)
    if hasattr(comm, _ROUTE):
        setattr(comm, _ROUTE, _as_the_page_says)
    for child in getattr(widget, "children", ()):
        hear_pages(child)


def _as_the_page_says(_data: Any, named: str | None) -> str | None:
    return named
