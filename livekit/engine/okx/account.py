"""What the venue knows of our account: mode, rights, balances, positions, fees, instruments.

`AccountSync` says what to ask and takes what comes back, answers and pushes in any order
(holdings.py). It answers two questions: may orders be sent at all (`is_ready`, and if not
`problem` with what to do about it), and how must an order of an instrument be written
(`td_mode`, `listings`). An account or key that livekit was not built for is refused, never
worked around: a key that may withdraw, one that may only read, long/short position mode.
Source: PROTOCOL 8.4, 8.5, 9.3 and 12.2.
Layer 4. It sends nothing and has no clock.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from livekit.engine.okx.drift import DriftWatch
from livekit.engine.okx.holdings import Balance, Holdings, Position
from livekit.engine.okx.rights import LEVELS, config_problem, config_warnings, level_problem
from livekit.engine.okx.terms import KINDS, Terms
from livekit.errors import ConfigError, FeedError
from livekit.instruments import Instrument
from livekit.okx import calls, rest
from livekit.okx.calls import Call
from livekit.okx.codes import TABLE, Outcome
from livekit.okx.messages import InstrumentsPush
from livekit.okx.private import AccountPush, BalancePush, PositionPush
from livekit.okx.rest import AccountConfig, ApiError, Listing
from livekit.okx.rows import AccountRow, PositionRow
from livekit.trading.core import TradingCore
from livekit.trading.limits import Fees

__all__ = ["AccountSync"]

_log: Final = logging.getLogger(__name__)

_ASK_ONE_BY_ONE: Final = 8  # symbols of a type; above it, all instruments of the type
_SILENT_NS: Final = 120_000_000_000
_PASSING: Final = frozenset({"50102", "50112"})  # refused for sure, and over once clocks agree
_LOOK_NS: Final = 1_000_000_000
_MAX_ASKED: Final = 16
_MAX_ROWS: Final = 1 << 16


class AccountSync:
    """One account; see the module.

    Parameters
    ----------
    instruments : tuple of Instrument
        What may be ordered.
    margin_mode : str
        ``cross`` or ``isolated``: how contracts are margined.
    core : TradingCore, optional
        Whose positions are compared with the venue's, once a second at most.

    Attributes
    ----------
    problem : str
        Why no order may be sent and what to do about it; "" when nothing is known against
        it, as before the first answers.
    is_refused : bool
        Whether `problem` stays until a person changes something.
    config : AccountConfig or None
    terms : Terms
        Listings, fees and states of the instruments, as this account has them.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        margin_mode: str = "cross",
        core: TradingCore | None = None,
    ) -> None:
        if margin_mode not in {"cross", "isolated"}:
            raise ConfigError(f"margin mode is {margin_mode!r}, expected 'cross' or 'isolated'")
        self.instruments = tuple(instruments)
        self.margin_mode = margin_mode
        self.problem, self.is_refused = "", False
        self.config: AccountConfig | None = None
        self.terms = Terms(self.instruments)
        self._holdings = Holdings()
        self._steps: dict[str, Call] = {one.path: one for one in self._all_calls()}
        self._answered: dict[str, int] = {}
        self._refusals: dict[str, tuple[str, bool]] = {}  # by path: sentence, whether it stays
        self._was_ready = False
        self._watch = DriftWatch(self, core) if core is not None else None
        self._looked_ns, self._drifted = 0, frozenset[str]()
        self._asked: dict[str, deque[int]] = {}
        self._pages: dict[str, tuple[int, list[Any]]] = {"account": (0, []), "positions": (0, [])}

    # What to ask, and what comes back.

    def calls(self, *, is_full: bool = True) -> list[Call]:
        """Return what to ask now, and note that it is asked.

        Parameters
        ----------
        is_full : bool
            False asks for mode, balances and positions only, for every half minute; fees
            and instruments change by the day. What was never answered is asked anyway.
        """
        often = {calls.account_config().path, calls.balance().path, calls.positions().path}
        asked = [
            one
            for path, one in self._steps.items()
            if is_full or path in often or path not in self._answered
        ]
        for one in asked:
            waiting = self._asked.setdefault(one.path, deque(maxlen=_MAX_ASKED))
            waiting.append(self._holdings.serial)
        return asked

    def take_answer(self, path: str, status: int, body: bytes, now_ns: int) -> bool:
        """Take the answer to one of `calls`; False for one of somebody else's.

        Parameters
        ----------
        path : str
            Of the call.
        status : int
            HTTP status; 0 when there was no answer, with the reason as `body`.
        now_ns : int
            Any monotonic time.
        """
        if path not in self._steps:
            return False
        waiting = self._asked.get(path)
        asked = waiting.popleft() if waiting else -1
        try:
            self._read(path, status, body, max(asked, 0))
        except FeedError as error:
            self._note(path, status, error, now_ns)
        else:
            self._answered[path] = now_ns
            self._refusals.pop(path, None)
        self._judge()
        # Positions are the last of what is asked often, so all of it is as new as can be.
        if path == calls.positions().path or not (self._watch and self._watch.has_begun):
            self._compare(now_ns)
        return True

    def take_push(self, push: Any, now_ns: int) -> bool:
        """Take a push of account, positions, balance_and_position or instruments.

        Returns False for a message of any other kind.
        """
        if isinstance(push, AccountPush):
            self._take_pages("account", push, self._take_account)
        elif isinstance(push, PositionPush):
            self._take_pages("positions", push, self._take_positions)
        elif isinstance(push, BalancePush):
            for row in push.rows:
                self._holdings.take_cash(row.balData)
                self._holdings.take_positions(row.posData, is_complete=False, asked=-1)
        elif isinstance(push, InstrumentsPush):
            for change in push.rows:
                self.terms.take_change(change)
        else:
            return False
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._compare(now_ns)
        return True

    # What is known.

    @property
    def is_ready(self) -> bool:
        """Whether everything was answered and nothing forbids trading."""
        return not self.problem and len(self._answered) == len(self._steps)

    @property
    def balances(self) -> dict[str, Balance]:
        """Balances by currency, those that are not zero."""
        return self._holdings.balances

    @property
    def positions(self) -> dict[str, Position]:
        """Positions by the venue's position id, those that are not flat."""
        return self._holdings.positions

    @property
    def level(self) -> str:
        """The account mode, ``acctLv``: 1 to 4; "" before it is known."""
        return self.config.acctLv if self.config else ""

    @property
    def position_mode(self) -> str:
        """``net_mode`` or ``long_short_mode``; "" before it is known."""
        return self.config.posMode if self.config else ""

    def position(self, symbol: str) -> float:
        """Return what is held in contracts of a symbol, below 0 when short."""
        found = self.positions.values()
        return sum(one.quantity for one in found if one.symbol == symbol and one.kind != "MARGIN")

    def td_mode(self, instrument: Instrument) -> str:
        """Return ``tdMode`` of an order: cash, cross or isolated.

        Raises
        ------
        ConfigError
            The account mode is not known yet, or does not allow the instrument.
        """
        if self.level not in LEVELS:
            raise ConfigError("account mode is not known yet; wait until the account is ready")
        refused = level_problem(self.level, [instrument])
        if refused:
            raise ConfigError(refused)
        if instrument.kind == "spot":
            return "cash" if self.level in {"1", "2"} else "cross"
        return self.margin_mode

    @property
    def fees(self) -> dict[str, Fees]:
        """Costs by symbol: fractions of the notional, negative for a rebate."""
        return self.terms.fees

    @property
    def listings(self) -> dict[str, Listing]:
        """Instruments as this account may trade them, with their codes for orders."""
        return self.terms.listings

    def apply_fees(self, core: TradingCore) -> None:
        """Write what orders cost into a core, for those of its instruments that are known."""
        for number, symbol in enumerate(core.symbols):
            fees = self.fees.get(symbol)
            if fees is not None:
                core.markets[number]["maker_fee"] = fees.maker
                core.markets[number]["taker_fee"] = fees.taker

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows; no account number is in it."""
        config = self.config
        waits = [_name(path) for path in self._steps if path not in self._answered]
        return {
            "is_ready": self.is_ready,
            "problem": self.problem,
            "waits_for": waits,
            "mode": LEVELS.get(self.level, self.level),
            "position_mode": self.position_mode,
            "fee_level": config.level if config else "",
            "warnings": config_warnings(config) if config else [],
            "balances": {
                name: {"cash": one.cash, "available": one.available, "equity": one.equity}
                for name, one in sorted(self.balances.items())
            },
            "positions": [
                {
                    "symbol": one.symbol,
                    "quantity": one.quantity,
                    "average_price": one.average_price,
                    "margin_mode": one.margin_mode,
                }
                for one in self.positions.values()
            ],
            "fees": {
                name: {"maker": one.maker, "taker": one.taker} for name, one in self.fees.items()
            },
            "instruments": self.terms.describe(),
            "drift": [str(one) for one in self._watch.lasting] if self._watch else [],
        }

    # Reading answers.

    def _all_calls(self) -> list[Call]:
        """Return every call there is: once for the account, then by type of instrument."""
        found = [calls.account_config(), calls.balance(), calls.positions()]
        for kind in dict.fromkeys(KINDS[one.kind] for one in self.instruments):
            symbols = [one.symbol for one in self.instruments if KINDS[one.kind] == kind]
            if kind == "OPTION":
                families = dict.fromkeys("-".join(name.split("-")[:2]) for name in symbols)
                found += [calls.account_instruments(kind, family=family) for family in families]
            elif len(symbols) <= _ASK_ONE_BY_ONE:
                found += [calls.account_instruments(kind, name) for name in symbols]
            else:
                found.append(calls.account_instruments(kind))
            found.append(calls.trade_fee(kind))
        return found

    def _read(self, path: str, status: int, body: bytes, asked: int) -> None:
        if status == 0:
            raise FeedError(body.decode(errors="replace") or "no answer")
        name = _name(path).partition(" ")[0]
        if name == "account/config":
            self.config = rest.parse_account_config(body)
        elif name == "account/balance":
            self._take_account([rest.parse_balance(body)], is_complete=True, asked=asked)
        elif name == "account/positions":
            self._take_positions(rest.parse_positions(body), is_complete=True, asked=asked)
        elif name == "account/instruments":
            self.terms.take_listings(path, rest.parse_listings(body))
        else:
            self.terms.take_rates(path, rest.parse_trade_fee(body))

    def _take_account(self, rows: list[AccountRow], *, is_complete: bool, asked: int = -1) -> None:
        self._holdings.take_account(rows, is_complete=is_complete, asked=asked)

    def _take_positions(
        self, rows: list[PositionRow], *, is_complete: bool, asked: int = -1
    ) -> None:
        self._holdings.take_positions(rows, is_complete=is_complete, asked=asked)

    def _take_pages(
        self, name: str, push: AccountPush | PositionPush, take: Callable[..., None]
    ) -> None:
        """Take an update at once; of a snapshot collect the pages until the last."""
        if push.event != "snapshot":
            take(push.rows, is_complete=False)
            return
        pages, collected = self._pages[name]
        if push.page > 1 and pages != push.page - 1:
            # A page is missing: what is absent proves nothing.
            take(push.rows, is_complete=False)
            return
        rows = collected + push.rows if push.page > 1 else list(push.rows)
        if push.is_last or len(rows) > _MAX_ROWS:
            take(rows, is_complete=push.is_last)
            self._pages[name] = (0, [])
        else:
            take(push.rows, is_complete=False)
            self._pages[name] = (max(push.page, 1), rows)

    # Judging them.

    def _compare(self, now_ns: int) -> None:
        """Compare our books with the venue's, and say what has begun to differ."""
        if self._watch is None or not self.is_ready:
            return
        self._looked_ns = now_ns
        found = self._watch.look(now_ns)
        for one in found:
            if one.name not in self._drifted:
                _log.error("books differ: %s", one)
        self._drifted = frozenset(one.name for one in found)

    def _note(self, path: str, status: int, error: FeedError, now_ns: int) -> None:
        """Note an answer that told nothing: for good, or until it is asked again.

        One that fails now and then forbids nothing while a good one is two minutes old.
        """
        if isinstance(error, ApiError):
            meaning = TABLE.get(error.code)
            stays = meaning is not None and meaning.outcome is Outcome.REJECTED
            if stays and error.code not in _PASSING:
                if self._was_ready and _name(path).startswith("account/instruments"):
                    # One instrument has gone; the others trade on.
                    self.terms.take_listings(path, [])
                else:
                    self._refusals[path] = (f"{_name(path)}: {error}", True)
                return
        since = self._answered.get(path)
        if since is None or now_ns - since >= _SILENT_NS:
            answer = f"HTTP {status}" if status else "no answer"
            text = f"{_name(path)} is not told ({answer}: {error}); it is asked again"
            self._refusals.setdefault(path, (text, False))

    def _judge(self) -> None:
        """Find what forbids trading: what only a person can change comes first."""
        found = sorted(self._refusals.values(), key=lambda one: not one[1])
        lasting = [text for text, stays in found if stays]
        if self.config is not None:
            lasting += filter(None, [config_problem(self.config, self.instruments)])
        if len(self._answered) == len(self._steps) and not self._was_ready:
            lasting += [
                f"{self.terms.problem(symbol)}; leave it out, or see at OKX whether the account's "
                "region and mode have it"
                for symbol in self.terms.missing
            ]
        self.is_refused = bool(lasting)
        self.problem = lasting[0] if lasting else found[0][0] if found else ""
        self._was_ready = self._was_ready or self.is_ready


def _name(path: str) -> str:
    """Return what names a call: the last words of its path, and the instrument if it has one."""
    where, _, query = path.partition("?")
    symbol = dict(parse_qsl(query)).get("instId", "")
    return "/".join(where.split("/")[-2:]) + (f" of {symbol}" if symbol else "")
