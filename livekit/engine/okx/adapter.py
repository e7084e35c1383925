"""The exchange as a source of live market data.

At the start the instruments are asked for by REST, so that a wrong address or symbol is
refused with a sentence before anything runs; after that nothing that the network does
ends the engine. The exchange's clock is compared with ours every minute, and the
instruments are asked for again every hour.
Layer 4.
"""

import logging
import selectors
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from livekit import clock
from livekit.config import MAX_INSTRUMENTS
from livekit.engine.okx.audit import BookAudit
from livekit.engine.okx.clock import ClockOffset, LiveClock
from livekit.engine.okx.feed import Feed
from livekit.engine.okx.listing import ask_time, instrument_calls, load_instruments, take_time
from livekit.engine.settings import EngineSettings
from livekit.engine.source import Direct, Pace, PaceKind, Publish
from livekit.errors import ConfigError, FeedError, LivekitError
from livekit.instruments import Instrument
from livekit.net.doorbell import Doorbell
from livekit.net.rest import Answer, RestClient
from livekit.okx.hosts import hosts_for
from livekit.okx.instruments import parse_instruments
from livekit.okx.messages import InstrumentsPush
from livekit.okx.subscriptions import DEFAULT_CHANNELS, Argument, make_arguments
from livekit.store.recorder_raw import RawLog

__all__ = ["OKXAdapter"]

_log: Final = logging.getLogger(__name__)

_TIME_EVERY_NS: Final = 60_000_000_000
_TIME_SOON_NS: Final = 5_000_000_000
_INSTRUMENTS_EVERY_NS: Final = 3_600_000_000_000
_AUDIT_EVERY_NS: Final = 50_000_000
_TIME_SAMPLES: Final = 3
_KINDS: Final = {"spot": "SPOT", "swap": "SWAP", "futures": "FUTURES", "option": "OPTION"}


class OKXAdapter:
    """Live market data of OKX, as the engine's source.

    Parameters
    ----------
    settings : EngineSettings
        `env`, `url`, `region`, `symbols`, `channels` and `raw` are looked at.

    Attributes
    ----------
    instruments : tuple of Instrument
        In the order of `symbols`.
    feed : Feed
    offset : ClockOffset
    clock : LiveClock
        Of all events' `ts_recv`.

    Raises
    ------
    ConfigError
        A setting is impossible, a symbol unknown, or the address not an exchange's.
    NotRunningError
        Nothing listens at the address.
    DeadlineError
        The exchange does not answer.
    """

    is_live = True
    is_finished = False
    n_events = 0
    last_ts = 0

    def __init__(self, settings: EngineSettings) -> None:
        if not settings.symbols:
            raise ConfigError(
                "no symbol is named; say which instruments to serve, such as --symbols "
                "BTC-USDT,ETH-USDT"
            )
        if settings.policy == "block":
            raise ConfigError("policy 'block' cannot hold up a live market; use drop or alert")
        if len(settings.symbols) > MAX_INSTRUMENTS:
            raise ConfigError(f"{len(settings.symbols)} symbols, at most {MAX_INSTRUMENTS}")
        self.pace = Pace(PaceKind.SCALED)
        self.position = 0
        self.env = settings.env
        self.hosts = hosts_for(settings.env, settings.region, settings.url)
        symbols = list(dict.fromkeys(settings.symbols))
        arguments = make_arguments(symbols, settings.channels or DEFAULT_CHANNELS)
        self.clock, self.offset = LiveClock(), ClockOffset()
        self._bell = Doorbell()
        headers = {"x-simulated-trading": "1"} if self.hosts.is_demo else {}
        self.rest = RestClient(self.hosts.rest, self._bell, headers=headers, now=self.clock.now)
        self.instruments: tuple[Instrument, ...] = load_instruments(self.rest, symbols, self.hosts)
        for _ in range(_TIME_SAMPLES):
            take_time(self.offset, self.rest.request(ask_time()))
        kinds = dict.fromkeys(_KINDS.get(one.kind, "SPOT") for one in self.instruments)
        arguments += [Argument("instruments", kind=kind) for kind in kinds]
        numbers = {one.symbol: number for number, one in enumerate(self.instruments)}
        self._raw = settings.raw
        make_raw = self._open_raw if settings.raw else None
        refresh = self._take_instruments
        self.feed = Feed(self.hosts, arguments, numbers, self.clock, refresh, make_raw)
        self.feed.warm_up()
        self.audit = BookAudit(self.feed.normalizer, self.feed, self._ask)
        self._changed: dict[str, str] = {}
        self._selector: selectors.BaseSelector | None = None
        now_ns = clock.monotonic_ns()
        self._time_due_ns, self._instruments_due_ns = now_ns, now_ns + _INSTRUMENTS_EVERY_NS
        self._was_problem = ""
        self._first_ts = self._audit_due_ns = 0

    # What the engine asks of a source.

    def begin(
        self, selector: selectors.BaseSelector, publish: Publish, direct: Direct | None = None
    ) -> None:
        """Connect; events go to `publish` or `direct` from callbacks of `selector`."""
        self._selector = selector
        self._first_ts = self.clock.now()
        selector.register(self._bell.fileno(), selectors.EVENT_READ, self._hear_answers)
        self.feed.begin(selector, publish, direct)

    def due(self) -> tuple[int, int]:
        """Return nothing: events are put through when they arrive."""
        return 0, 0

    def advance(self, n: int) -> None:
        """Count events that went out."""
        self.position += n

    def wait_ns(self) -> int:
        """Return -1: nobody knows."""
        return -1

    def now_ts(self) -> int:
        """Return the wall clock's time, ns since the epoch."""
        return self.clock.now()

    def look_after(self, now_ns: int) -> None:
        """Look after connections, clock and instruments."""
        if self._selector is None:
            return
        self.feed.look_after(now_ns)
        if now_ns >= self._audit_due_ns:
            self._audit_due_ns = now_ns + _AUDIT_EVERY_NS
            wrong = self.audit.look(now_ns, self.feed.live_books)
            if wrong is not None:
                self.feed.fail(wrong)
        if now_ns >= self._time_due_ns:
            is_known = self.offset.best(self.clock.now()) is not None
            self._time_due_ns = now_ns + (_TIME_EVERY_NS if is_known else _TIME_SOON_NS)
            behind_ns = self.clock.approach(clock.now_ns())
            if abs(behind_ns) > 1_000_000_000:
                _log.warning("wall clock was set: ours is %+.1f s from it", -behind_ns / 1e9)
            self._submit([ask_time()])
        if now_ns >= self._instruments_due_ns:
            self._instruments_due_ns = now_ns + _INSTRUMENTS_EVERY_NS
            self._submit(instrument_calls([one.symbol for one in self.instruments]))

    def close(self) -> None:
        """Close every connection and end the REST worker."""
        self.feed.close()
        self.rest.close()
        if self._selector is not None:
            self._selector.unregister(self._bell.fileno())
            self._selector = None
        self._bell.close()

    def describe_data(self) -> dict[str, Any]:
        """Return what a recorded run says of its kind and its data."""
        return {
            "kind": "paper",
            "data": {
                "start_ns": self._first_ts or self.clock.now(),
                "stop_ns": 0,
                "n_events": 0,
                "hash": "",
                "gaps": [],
            },
        }

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows."""
        now = self.clock.now()
        best = self.offset.best(now)
        heard = self.feed.last_heard_ns
        counts = self.feed.normalizer.counts
        return {
            "source": "okx",
            "speed": self.env,
            "position": self.position,
            "n_events": 0,
            "first_ts": self._first_ts,
            "last_ts": now,
            "feed": {
                "state": "LIVE" if self.feed.is_live else "STALE",
                "rest": self.hosts.rest,
                "heard_ago_s": (clock.monotonic_ns() - heard) / 1e9 if heard else None,
                "connections": self.feed.describe(),
                "clock": {
                    "offset_ns": None if best is None else best[0],
                    "uncertainty_ns": None if best is None else best[1],
                    "problem": self.offset.problem(now),
                },
                "latency": self.feed.measures.describe(),
                "gaps": counts.gaps,
                "audits": self.audit.describe(),
                "duplicates": counts.duplicates,
                "stale_trades": counts.stale_trades,
                "bad_frames": self.feed.bad_frames,
                "ignored": counts.ignored,
                "funding": {
                    symbol: one.fundingRate for symbol, one in self.feed.normalizer.funding.items()
                },
                "stale": self.feed.stale_symbols(),
                "instrument_changes": self._changed,
            },
        }

    def _open_raw(self, connection: str) -> RawLog:
        return RawLog(Path(self._raw), connection, "okx")

    # What the exchange says beside its market data.

    def _submit(self, calls: Iterable[Any]) -> None:
        for call in calls:
            self._ask(call)

    def _ask(self, call: Any) -> bool:
        try:
            self.rest.submit(call, call.path)
        except LivekitError as error:
            _log.warning("not asked: %s", error)
            return False
        return True

    def _hear_answers(self) -> None:
        self._bell.answer()
        for answer in self.rest.poll():
            if "public/time" in answer.token:
                self._take_time(answer)
            elif self.audit.is_answer(answer):
                self.audit.hear(answer)
            else:
                self._take_listing(answer)

    def _take_time(self, answer: Answer) -> None:
        if not take_time(self.offset, answer):
            _log.warning("exchange's time not known status=%d", answer.status)
        now = self.clock.now()
        best = self.offset.best(now)
        if best is not None:
            self.feed.measures.offset_ns = best[0]
        problem = self.offset.problem(now)
        if problem != self._was_problem:
            self._was_problem = problem
            (_log.error if problem else _log.info)("clock: %s", problem or "within a second")

    def _take_listing(self, answer: Answer) -> None:
        try:
            listed = {one.symbol: one for one in parse_instruments(answer.body)}
        except FeedError as error:
            _log.warning("instruments not refreshed status=%d: %s", answer.status, error)
            return
        for known in self.instruments:
            new = listed.get(known.symbol)
            if new is not None and new != known:
                self._note_change(known.symbol, f"steps changed: {new}")

    def _take_instruments(self, push: InstrumentsPush) -> None:
        """Say what changed in an instrument; its steps stay what they were until a restart."""
        known = {one.symbol: one for one in self.instruments}
        for row in push.rows:
            one = known.get(row.instId)
            if one is None:
                continue
            if row.state not in {"", "live"}:
                self._note_change(row.instId, f"state {row.state}: it does not trade as usual")
            elif row.instId in self._changed:
                del self._changed[row.instId]
            try:
                steps = [float(text) for text in (row.tickSz, row.lotSz, row.minSz)]
            except ValueError:
                continue  # announced, and without steps yet
            if steps != [one.tick, one.lot, one.min_quantity]:
                self._note_change(row.instId, f"tick, lot and minimum are {steps} now")

    def _note_change(self, symbol: str, text: str) -> None:
        if self._changed.get(symbol) != text:
            self._changed[symbol] = text
            _log.warning("instrument changed symbol=%s %s; restart the engine", symbol, text)
