"""OKX as the engine's venue: orders out over the private socket, what became of them back.

The core admits a request and queues it (trading/sending.py); `flush` takes it through
the order desk, the exchange's pace and one frame to the socket, in the call that took it
out of the strategy's ring. Where the socket is down the same requests go over REST, and
what became of them is looked up every second. No new order goes while the account, the
clock, the dead man's switch or the connection forbid it (`problem`); cancels always go.
Source: PROTOCOL 6, 8, 10, 11 and 12; RELIABILITY §3.
Layer 4.
"""

import logging
import selectors
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.engine.okx.account import AccountSync
from livekit.engine.okx.adapter import OKXAdapter
from livekit.engine.okx.deadman import TIMEOUT_S, DeadMan
from livekit.engine.okx.desk import OrderDesk
from livekit.engine.okx.opening import ask_account, cancel_leftovers
from livekit.engine.okx.outgoing import Outbound
from livekit.engine.okx.phrasing import Ticket
from livekit.engine.okx.private_line import PrivateLine
from livekit.engine.okx.signing import Signer
from livekit.engine.okx.words import Query
from livekit.errors import FeedError, LivekitError
from livekit.net.doorbell import Doorbell
from livekit.net.rest import Answer, RestClient
from livekit.okx import calls, rest
from livekit.okx.private import OrderPush
from livekit.okx.replies import Reply
from livekit.okx.rest import ApiError
from livekit.okx.rows import OrderRow
from livekit.trading.core import TradingCore
from livekit.trading.layout import CORE
from livekit.trading.sending import cancel_all_live, cancel_strategy_live

__all__ = ["OKXVenue"]

_log: Final = logging.getLogger(__name__)

_SECOND_NS: Final = 1_000_000_000
_LOOK_NS: Final = 20_000_000
_GATE_NS: Final = 100_000_000
_ACCOUNT_NS: Final = 30 * _SECOND_NS
_LISTINGS_NS: Final = 3_600 * _SECOND_NS
_BLIND_NS: Final = 1 * _SECOND_NS
_EARLY_NS: Final = 2 * _SECOND_NS  # connecting and arming take a moment, and are no fault
_REST_TIMEOUT_S: Final = 3.0
_UNKNOWN_ORDER: Final = "51603"
_SWITCH: Final = "switch"
_ACCOUNT: Final = "account"
_LOOKUP: Final = "look-up"
_N_SENDS: Final = int(CORE.fields["n_sends"][1])  # type: ignore[index]
_NOTHING: Final[Callable[[], None]] = lambda: None  # noqa: E731 - what a venue calls before it begins


class OKXVenue:
    """The venue of a live or demo engine; see the module.

    Parameters
    ----------
    adapter : OKXAdapter
        The market data of the same exchange: its hosts, clock and instruments.
    core : TradingCore
        Whose requests wait to be sent.
    signer : Signer

    Attributes
    ----------
    account : AccountSync
    desk : OrderDesk
    switch : DeadMan
    foreign : int
        Open orders of the account, when it was last looked, that livekit did not send.

    Raises
    ------
    ConfigError
        Account or key may not trade; with what to do about it.
    DeadlineError
        The exchange does not tell of the account.
    """

    is_remote = True

    def __init__(self, adapter: OKXAdapter, core: TradingCore, signer: Signer) -> None:
        self._adapter, self._core, self._signer = adapter, core, signer
        self._now = adapter.clock.now
        self.account = AccountSync(adapter.instruments, core=core)
        self.desk = OrderDesk(core)
        self.switch = DeadMan()
        self._bell = Doorbell()
        options = {"sign": signer.headers, "now": self._now, "timeout_s": _REST_TIMEOUT_S}
        self._asking = RestClient(adapter.hosts.rest, self._bell, **options)  # type: ignore[arg-type]
        self._ordering = RestClient(adapter.hosts.rest, self._bell, **options)  # type: ignore[arg-type]
        try:
            ask_account(self._asking, self.account)
            self.foreign = cancel_leftovers(self._asking)
        except BaseException:
            self._asking.close()
            self._ordering.close()
            self._bell.close()
            raise
        self.account.apply_fees(core)
        self._tickets = [self._ticket(number) for number in range(len(adapter.instruments))]
        self._numbers = {one.symbol: n for n, one in enumerate(adapter.instruments)}
        self.line = PrivateLine(adapter.hosts.private, signer.login, self)
        self.outbound = Outbound(core, self.desk, self._tickets, self.line, self._submit_order)
        self.outbound.warm_up()
        self._make_room, self._deliver = _NOTHING, _NOTHING
        self._selector: selectors.BaseSelector | None = None
        self._looked_ns = self._gated_ns = self._blind_ns = self._began_ns = 0
        monotonic = clock.monotonic_ns()
        self._account_due_ns = monotonic + _ACCOUNT_NS
        self._listings_due_ns = monotonic + _LISTINGS_NS
        self._problem = "it is not connected yet"
        self._is_caught_up = self._is_closing = False
        core.header["venue_block"] = 1
        self._n_sends = core.memory[_N_SENDS : _N_SENDS + 8].view(np.int64)

    # Beginning and end.

    def _ticket(self, number: int) -> Ticket:
        instrument = self._adapter.instruments[number]
        listing = self.account.listings.get(instrument.symbol)
        code = listing.code if listing is not None else None
        return Ticket(instrument, code, self.account.td_mode(instrument))

    def begin(
        self,
        selector: selectors.BaseSelector,
        make_room: Callable[[], None],
        deliver: Callable[[], None],
    ) -> None:
        """Connect.

        Parameters
        ----------
        selector : selector
            Calls back for the sockets.
        make_room : callable
            Empties the core's outbox before the venue changes an order.
        deliver : callable
            Gives the reports of such a change to the strategies.
        """
        self._selector = selector
        self._make_room, self._deliver = make_room, deliver
        selector.register(self._bell.fileno(), selectors.EVENT_READ, self._hear_answers)
        self.line.begin(selector)
        self._began_ns = clock.monotonic_ns()
        self._arm(clock.monotonic_ns())

    def stop(self) -> None:
        """Take no new order from now on; the engine cancels what is open."""
        self._is_closing = True
        self._core.header["venue_block"] = 1

    @property
    def is_quiet(self) -> bool:
        """Whether no order is open and no request waits for an answer."""
        return self.desk.n_open == 0 and self.desk.n_pending == 0

    def close(self) -> None:
        """End the connection; with nothing open the switch is turned off."""
        left = self.desk.open_ids()
        if left:
            _log.error(
                "orders not known to have ended count=%d client_ids=%s; the dead man's switch "
                "cancels them within %d s; see them with 'livekit doctor' or at the exchange",
                len(left),
                ",".join(left[:20]),
                TIMEOUT_S,
            )
        elif self.switch.left_s(clock.monotonic_ns()) > 0:
            answer = self._asking.request(calls.cancel_all_after(0))
            if answer.status != 200:
                _log.warning("dead man's switch not turned off status=%d", answer.status)
        self.line.close()
        self._asking.close()
        self._ordering.close()
        if self._selector is not None:
            self._selector.unregister(self._bell.fileno())
            self._selector = None
        self._bell.close()

    # What goes out.

    def flush(self) -> None:
        """Send what waits; nothing when nothing does. The hot path."""
        if self._n_sends[0] or self.outbound.is_due:
            self._make_room()
            self.outbound.send(self._now(), is_line_up=self.line.is_live)
            self._deliver()

    def cancel_strategy(self, ring: int, now_ns: int) -> int:
        """Ask for the end of what a strategy has open; how many."""
        asked = cancel_strategy_live(self._core.address, ring, now_ns)
        self.flush()
        return asked

    def cancel_all(self, now_ns: int) -> int:
        """Ask for the end of everything that is open; how many."""
        asked = cancel_all_live(self._core.address, now_ns)
        self.flush()
        return asked

    def _submit_order(self, call: calls.Call, token: str) -> bool:
        try:
            self._ordering.submit(call, token)
        except LivekitError as error:
            _log.warning("order not sent over REST: %s", error)
            return False
        return True

    def _submit(self, call: Any, token: Any) -> bool:
        try:
            self._asking.submit(call, token)
        except LivekitError as error:
            _log.warning("not asked: %s", error)
            return False
        return True

    # Looking after it.

    def look_after(self, now_ns: int) -> None:
        """Look at the time; CLOCK_MONOTONIC."""
        self.line.look_after(now_ns)
        self.flush()
        if now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        self.outbound.offset_ns = self._signer.offset_ns()
        self._arm(now_ns)
        if now_ns - self._gated_ns >= _GATE_NS:
            self._gated_ns = now_ns
            self._judge(now_ns)
        if not self.line.is_live and now_ns - self._blind_ns >= _BLIND_NS:
            self._blind_ns = now_ns
            self.desk.ask_all(self._now())
        self._make_room()
        for query in self.desk.queries(self._now()):
            self._look_up(query)
        self._deliver()
        if now_ns >= self._account_due_ns:
            self._account_due_ns = now_ns + _ACCOUNT_NS
            is_full = now_ns >= self._listings_due_ns
            if is_full:
                self._listings_due_ns = now_ns + _LISTINGS_NS
            for call in self.account.calls(is_full=is_full):
                self._submit(call, (_ACCOUNT, call.path))

    def _arm(self, now_ns: int) -> None:
        is_wanted = self.desk.n_open or not self._is_closing
        if not is_wanted or not self.switch.is_due(now_ns):
            return
        if not self._submit(calls.cancel_all_after(TIMEOUT_S), (_SWITCH, "")):
            self.switch.end("too many calls wait")

    def _look_up(self, query: Query) -> None:
        symbol = self._tickets[query.instrument].symbol
        may_go = self.outbound.pace.take(_LOOKUP, query.instrument, self._now())
        call = calls.order(symbol, client_id=query.client_id)
        if not (may_go and self._submit(call, (_LOOKUP, query.client_id))):
            self.desk.fail_lookup(query.client_id, self._now())

    def _judge(self, now_ns: int) -> None:
        """Find what forbids new orders, and let the core know."""
        if self.line.is_live and not self._is_caught_up and self.desk.n_asked == 0:
            self._is_caught_up = True
        problem = self._find_problem(now_ns)
        if problem != self._problem:
            if problem:
                is_early = now_ns - self._began_ns < _EARLY_NS
                _log.log(logging.INFO if is_early else logging.ERROR, "no new orders: %s", problem)
            else:
                _log.info("orders are taken")
        self._problem = problem
        self._core.header["venue_block"] = 1 if problem or self._is_closing else 0

    def _find_problem(self, now_ns: int) -> str:
        if self.account.problem:
            return self.account.problem
        if not self.account.is_ready:
            return "the account is not known yet"
        found = self._adapter.offset.problem(self._now()) or self.switch.problem(now_ns)
        if found:
            return found
        if self.line.is_live and not self._is_caught_up:
            return "orders of before the connection was lost are being looked up"
        if not self.line.is_live and self.outbound.rest_failures > 0:
            return f"private connection is down ({self.line.problem}), and REST does not answer"
        return ""

    @property
    def problem(self) -> str:
        """Why no new order is taken, and what to do about it; "" when they are."""
        return self._problem

    # What comes in.

    def came_up(self) -> None:
        """Take note that the private line is live."""
        _log.info("private line live")
        self.desk.ask_all(self._now())  # what happened before it was subscribed is not pushed
        self._is_caught_up = False
        self.outbound.rest_failures = 0
        self._gated_ns = 0

    def went_down(self) -> None:
        """Take note that nobody knows what became of what was sent."""
        self._make_room()
        self.outbound.lose(self._now())
        self._deliver()

    def hear_reply(self, reply: Reply, read_ns: int) -> None:
        """Take an answer to an order operation."""
        self._make_room()
        self.outbound.hear(reply, self._now(), read_ns)
        self._deliver()

    def hear_orders(self, push: OrderPush) -> None:
        """Take rows of orders; each in the order it came."""
        for row in push.rows:
            self._make_room()
            self._hear_row(row, is_lookup=False)
        self._deliver()

    def hear_account(self, push: Any) -> None:
        """Take what is said of balances and positions."""
        self.account.take_push(push, clock.monotonic_ns())

    def _hear_row(self, row: OrderRow, *, is_lookup: bool) -> None:
        number = self._numbers.get(row.instId)
        if number is None:
            self.desk.counts["foreign"] += 1
            return
        word = self._tickets[number].word(row, is_lookup=is_lookup)
        if is_lookup:
            self.desk.hear_lookup(word, self._now())
        else:
            self.desk.hear(word, self._now())

    def _hear_answers(self) -> None:
        self._bell.answer()
        for answer in self._asking.poll():
            self._take_answer(answer)
        for answer in self._ordering.poll():
            self._make_room()
            self.outbound.hear_rest(answer, self._now())
        self._deliver()

    def _take_answer(self, answer: Answer) -> None:
        what, name = answer.token
        if what == _SWITCH:
            self.switch.take_answer(answer)
        elif what == _ACCOUNT:
            self.account.take_answer(name, answer.status, answer.body, clock.monotonic_ns())
            self.account.apply_fees(self._core)
        else:
            self._make_room()
            self._take_lookup(name, answer)

    def _take_lookup(self, client_id: str, answer: Answer) -> None:
        now = self._now()
        try:
            rows = rest.parse_orders(answer.body) if answer.status == 200 else None
        except ApiError as error:
            if error.code == _UNKNOWN_ORDER:
                self.desk.hear_nothing(client_id, now)
            else:
                self.desk.fail_lookup(client_id, now)
            return
        except FeedError as error:
            _log.warning("look-up not understood client_id=%s: %s", client_id, error)
            rows = None
        if rows:
            self._hear_row(rows[0], is_lookup=True)
        else:
            self.desk.fail_lookup(client_id, now)

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows of the venue."""
        now_ns = clock.monotonic_ns()
        return {
            "problem": self._problem,
            "line": self.line.describe(),
            "switch": self.switch.describe(now_ns),
            "open": self.desk.n_open,
            "pending": self.desk.n_pending,
            "unknown": self.desk.n_unknown,
            "foreign": self.foreign,
            "counts": dict(self.desk.counts),
            **self.outbound.describe(),
            "account": self.account.describe(),
        }
