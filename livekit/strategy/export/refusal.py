"""The one form of every refusal: who uses what, through what, where, and what to do.

Layer 2.
"""

from typing import NoReturn

from livekit.errors import StrategyError
from livekit.strategy.export.cells import Found
from livekit.strategy.export.locate import Origin

__all__ = ["Refuser", "where"]


def where(origin: Origin, found: Found, line: int) -> str:
    """Return how a message names a line: ``line 12``, or with the cell when it is another."""
    text = f"line {found.cell.line(line)}"
    return text if found.cell == origin.root.cell else f"{found.cell.label}, {text}"


class Refuser:
    """Raises for one class.

    Parameters
    ----------
    origin : Origin
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def __call__(self, name: str, user: Found, line: int, what: str, remedy: str) -> NoReturn:
        """Refuse the use of a name.

        Parameters
        ----------
        name : str
        user : Found
            The statement that uses it.
        line : int
            Where in its cell.
        what : str
            What the name stands for.
        remedy : str

        Raises
        ------
        StrategyError
            Always.
        """
        origin = self._origin
        is_own = user.binding.node is origin.root.binding.node
        through = "" if is_own else f" through {user.binding.name!r}"
        raise StrategyError(
            f"strategy {origin.cls.__name__!r} uses {name!r}{through}, {what} "
            f"({where(origin, user, line)}); {remedy}"
        )

    def act(self, user: Found, line: int, what: str, remedy: str) -> NoReturn:
        """Refuse what a statement does.

        Raises
        ------
        StrategyError
            Always.
        """
        origin = self._origin
        is_own = user.binding.node is origin.root.binding.node
        through = "" if is_own else f" in {user.binding.name!r}, which it uses,"
        raise StrategyError(
            f"strategy {origin.cls.__name__!r}{through} {what} ({where(origin, user, line)}); "
            f"{remedy}"
        )
