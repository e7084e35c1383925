"""One REST call, as its handler sees it.

Layer 4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livekit.okxsim.accounts import Account, Key
from livekit.okxsim.codes import Refusal

if TYPE_CHECKING:
    from livekit.okxsim.exchange import Exchange

__all__ = ["Call", "Handler"]


@dataclass(slots=True)
class Call:
    """A call whose signature, if it needs one, was found good.

    Attributes
    ----------
    query : mapping
    body : object
        The decoded JSON of a POST.
    key, account
        None for a public call.
    expires : str
        Header expTime.
    """

    exchange: "Exchange"
    query: Mapping[str, str]
    body: Any
    is_demo: bool
    now_ms: int
    key: Key | None = None
    account: Account | None = None
    expires: str = ""

    def get(self, name: str) -> str:
        """Return a parameter of the query, or of a POST's body."""
        value = self.query.get(name)
        if value is None and isinstance(self.body, dict):
            value = self.body.get(name)
        return "" if value is None else str(value)

    def number(self, name: str, default: int, most: int) -> int | None:
        """Return a count from 1, at most `most`; None for what is no number."""
        text = self.get(name)
        if not text:
            return default
        return min(int(text), most) if text.isdecimal() and int(text) else None

    @property
    def owner(self) -> Account:
        """The account of a private call."""
        assert self.account is not None
        return self.account


Handler = Callable[[Call], "list[Any] | Refusal"]
"""Returns the rows of ``data``."""
