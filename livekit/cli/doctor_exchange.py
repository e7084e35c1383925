"""What `livekit doctor` checks of an exchange: addresses, clock, sockets, instruments, key.

The checks follow each other as an engine's start does. One that needs what an earlier
one did not find is left out, so that the first problem is the cause and not its echo.
Layer 5.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from livekit import clock
from livekit.cli.doctor_account import check_account
from livekit.cli.findings import Finding, State
from livekit.cli.output import nanoseconds
from livekit.cli.probing import ask_socket
from livekit.credentials import Credentials, load
from livekit.engine.okx.clock import ClockOffset
from livekit.errors import ConfigError, FeedError, LivekitError, NotFoundError
from livekit.instruments import Instrument
from livekit.net.rest import Answer, RestCall, RestClient
from livekit.okx import calls, rest
from livekit.okx.hosts import hosts_for
from livekit.okx.instruments import kind_of_symbol
from livekit.okx.messages import Failure
from livekit.okx.outcome import advice
from livekit.okx.private import LoginDone, parse_private
from livekit.okx.rest import ApiError, Listing

__all__ = ["Examination"]

_SAMPLES: Final = 5
_NEAR: Final = 6
_NOT_RUNNING: Final = 3
_CONFIG: Final = 4
_TIMED_OUT: Final = 5
_KINDS: Final = {"spot": "SPOT", "swap": "SWAP", "futures": "FUTURES", "option": "OPTION"}
_TOO_OFTEN: Final = "50011"  # it may be asked once in five seconds
_LATE: Final = frozenset({"scheduled", "ongoing", "pre_open"})


class Examination:
    """One run of the checks.

    Parameters
    ----------
    env, region, url
        Of `hosts_for`.
    symbols : list of str
        Instruments to look up.
    key_file : Path, optional
    has_key : bool
        False leaves out what needs a key.
    is_live : bool
        With a simulator, whose live accounts are told by it.
    timeout_s : float
        Of each question.

    Raises
    ------
    ConfigError
        An option is impossible.
    """

    def __init__(
        self,
        env: str,
        *,
        region: str = "global",
        url: str = "",
        symbols: list[str],
        key_file: Path | None = None,
        has_key: bool = True,
        is_live: bool = False,
        timeout_s: float = 5.0,
    ) -> None:
        if not (math.isfinite(timeout_s) and timeout_s > 0):
            raise ConfigError(f"timeout is {timeout_s!r} s, expected more than 0")
        if is_live and env != "sim":
            raise ConfigError(f"--live tells a simulator's accounts apart; leave it out for {env}")
        hosts = hosts_for(env, region, url)
        self._hosts = hosts if env != "sim" else replace(hosts, is_demo=not is_live)
        self._env, self._region, self._symbols = env, region, symbols
        self._key_file, self._has_key, self._timeout_s = key_file, has_key, timeout_s
        self._offset = ClockOffset()
        self._credentials: Credentials | None = None
        headers = {"x-simulated-trading": "1"} if self._hosts.is_demo else {}
        self._public = RestClient(hosts.rest, headers=headers, timeout_s=timeout_s)
        self._private = RestClient(hosts.rest, sign=self._sign, timeout_s=timeout_s)
        self._instruments: list[Instrument] = []

    def run(self) -> Iterator[Finding]:
        """Check, one after the other."""
        where = self._hosts.rest if self._env == "sim" else f"region {self._region}"
        yield Finding("environment", State.OK, f"{self._env}, {where}")
        try:
            reached = self._check_rest()
            yield reached
            if not reached.is_problem:
                yield self._check_clock()
                yield self._check_maintenance()
            for name, url in (("public", self._hosts.public), ("business", self._hosts.business)):
                yield self._check_socket(name, url)
            if not reached.is_problem:
                yield from self._check_instruments()
                yield from self._check_key()
        finally:
            self._public.close()
            self._private.close()

    # What is public.

    def _check_rest(self) -> Finding:
        answer = self._public.request(calls.server_time())
        if answer.status != 200:
            return self._refused("REST", answer)
        try:
            rest.parse_time(answer.body)
        except FeedError as error:
            fix = "correct --url: this is not an exchange" if self._env == "sim" else "try again"
            return Finding("REST", State.PROBLEM, str(error), fix, _CONFIG)
        text = f"{self._hosts.rest} answered in {nanoseconds(answer.received_ns - answer.sent_ns)}"
        if self._hosts.rest.startswith("https"):
            text += ", certificate verified"
        return Finding("REST", State.OK, text)

    def _refused(self, name: str, answer: Answer) -> Finding:
        """Say why the exchange does not answer as it should."""
        where = self._hosts.rest
        if answer.status:
            text = f"{where} answered HTTP {answer.status}"
            if answer.status >= 500 or answer.status == 429:
                return Finding(name, State.PROBLEM, text, "try again in a minute")
            fix = "look whether --env and --region fit, and whether OKX serves your country"
            return Finding(name, State.PROBLEM, text, fix, _CONFIG)
        reason = answer.body.decode(errors="replace")
        text = f"{where} cannot be reached: {reason}"
        if "refused" in reason:
            fix = (
                "start the simulator with 'livekit okx-sim', or correct --url"
                if self._env == "sim"
                else "look at the connection and the firewall"
            )
            return Finding(name, State.PROBLEM, text, fix, _NOT_RUNNING)
        if reason == "timed out":
            fix = "look at the connection and the firewall, or give a longer --timeout"
            return Finding(name, State.PROBLEM, text, fix, _TIMED_OUT)
        return Finding(name, State.PROBLEM, text, "look at the name and the connection")

    def _check_clock(self) -> Finding:
        for _ in range(_SAMPLES):
            answer = self._public.request(calls.server_time())
            try:
                told_ms = rest.parse_time(answer.body)
            except FeedError:
                continue
            self._offset.note(answer.sent_ns, answer.received_ns, told_ms)
        now_ns = clock.now_ns()
        problem = self._offset.problem(now_ns)
        if problem:
            text, _, fix = problem.partition("; ")
            return Finding("clock", State.PROBLEM, text, fix or "run this again")
        best = self._offset.best(now_ns)
        assert best is not None
        text = f"{-best[0] / 1e6:+.1f} ms from the exchange's, ± {best[1] / 1e6:.1f} ms"
        return Finding("clock", State.OK, text)

    def _check_maintenance(self) -> Finding:
        answer = self._public.request(calls.system_status())
        try:
            found = rest.parse_status(answer.body)
        except FeedError as error:
            if isinstance(error, ApiError) and error.code == _TOO_OFTEN:
                return Finding("maintenance", State.SKIPPED, "asked about a moment ago")
            return Finding("maintenance", State.NOTE, f"not told: {error}")
        wanted = {"", "2" if self._hosts.is_demo else "1"}
        near = [one for one in found if one.state in _LATE and one.env in wanted]
        if not near:
            return Finding("maintenance", State.OK, "none is announced")
        one = min(near, key=lambda row: row.begin)
        text = f"{one.title!r} is {one.state}, from {_when(one.begin)}"
        text += f" to {_when(one.end)}" if one.end != "" else ""
        if one.state == "scheduled":
            return Finding("maintenance", State.NOTE, text, "be flat by then, or expect cuts")
        return Finding("maintenance", State.PROBLEM, text, "wait until it is over")

    def _check_socket(self, name: str, url: str) -> Finding:
        reply = ask_socket(url, lambda: b"ping", lambda one: one == b"pong", self._timeout_s)
        if reply.problem:
            what = "does not answer a ping" if reply.is_open else "cannot be opened"
            fix = "look at the connection and the firewall (OKX uses port 8443)"
            code = _TIMED_OUT if "time" in reply.problem else 1
            text = f"{url} {what}: {reply.problem}"
            return Finding(f"{name} socket", State.PROBLEM, text, fix, code)
        text = f"{url} open in {nanoseconds(reply.opened_ns)}, answers in "
        return Finding(f"{name} socket", State.OK, text + nanoseconds(reply.answered_ns))

    def _check_instruments(self) -> Iterator[Finding]:
        if not self._symbols:
            text = "none named; give --symbols BTC-USDT,ETH-USDT-SWAP to look them up"
            yield Finding("instruments", State.SKIPPED, text)
            return
        listed: dict[str, Listing] = {}
        asked = dict.fromkeys(map(_family, self._symbols))
        for kind, family in asked:
            answer = self._public.request(calls.instruments(kind, family=family))
            try:
                listed |= {one.symbol: one for one in rest.parse_listings(answer.body)}
            except FeedError as error:
                yield Finding("instruments", State.PROBLEM, f"{kind} not listed: {error}")
                return
        for symbol in self._symbols:
            yield self._check_instrument(symbol, listed)

    def _check_instrument(self, symbol: str, listed: dict[str, Listing]) -> Finding:
        one = listed.get(symbol)
        if one is None:
            same = symbol.upper().partition("-")[0] + "-"
            near = [name for name in sorted(listed) if name.startswith(same)]
            names = ", ".join((near or sorted(listed))[:_NEAR]) or "nothing of that kind"
            text = f"{symbol!r} is not listed here"
            fix = f"correct it; there are {names}"
            return Finding(symbol, State.PROBLEM, text, fix, _CONFIG)
        if one.instrument is not None:
            self._instruments.append(one.instrument)
        if one.state != "live" or one.instrument is None:
            text = f"{symbol!r} is in state {one.state!r}, so it does not trade"
            if one.state == "post_only":
                text = f"{symbol!r} takes post-only orders alone at this time"
            return Finding(symbol, State.PROBLEM, text, "leave it out, or wait", _CONFIG)
        steps = one.instrument
        text = f"live, tick {steps.tick:.12g}, lot {steps.lot:.12g}, minimum "
        text += f"{steps.min_quantity:.12g}"
        if one.code is None:
            return Finding(symbol, State.NOTE, f"{text}; it has no code, so orders go over REST")
        return Finding(symbol, State.OK, text)

    # What needs the key.

    def _check_key(self) -> Iterator[Finding]:
        if not self._has_key:
            yield Finding("key", State.SKIPPED, "not looked for")
            return
        try:
            self._credentials = load(self._env, self._key_file)
        except LivekitError as error:
            text, _, fix = str(error).partition("; ")
            code = 2 if isinstance(error, NotFoundError) else _CONFIG
            if code == 2:
                fix += "; paper trading needs none (--no-key)"
            yield Finding("key", State.PROBLEM, text, fix, code)
            return
        key = self._credentials
        yield Finding("key", State.OK, f"{key!r} from {key.source}")
        is_known = True
        for one in check_account(self._private, self._instruments, is_demo=self._hosts.is_demo):
            is_known = is_known and not (one.name == "key accepted" and one.is_problem)
            yield one
        if is_known:
            yield self._check_login()

    def _check_login(self) -> Finding:
        key = self._credentials
        assert key is not None
        url = self._hosts.private

        def is_answer(frame: bytes) -> bool:
            try:
                return isinstance(parse_private(frame), LoginDone | Failure)
            except FeedError:
                return False

        reply = ask_socket(
            url, lambda: key.login(self._now_ms() // 1000), is_answer, self._timeout_s
        )
        if reply.problem:
            what = "does not answer the login" if reply.is_open else "cannot be opened"
            text = f"{url} {what}: {reply.problem}"
            fix = "look at the connection and the firewall (OKX uses port 8443)"
            return Finding("private socket", State.PROBLEM, text, fix)
        told = parse_private(reply.frame)
        if isinstance(told, Failure):
            text = f"{url} refuses the login: {told.code} {told.text!r}"
            return Finding("private socket", State.PROBLEM, text, advice(told.code), _CONFIG)
        text = f"{url} open in {nanoseconds(reply.opened_ns)}, login taken in "
        return Finding("private socket", State.OK, text + nanoseconds(reply.answered_ns))

    def _now_ms(self) -> int:
        """Return the exchange's time: a key is judged by that, whatever our clock says."""
        now_ns = clock.now_ns()
        best = self._offset.best(now_ns)
        return (now_ns + (best[0] if best else 0)) // 1_000_000

    def _sign(self, call: RestCall) -> dict[str, str]:
        assert self._credentials is not None
        return self._credentials.headers(call, self._now_ms(), is_demo=self._hosts.is_demo)


def _family(symbol: str) -> tuple[str, str]:
    """Return type, and for options the family, under which a symbol is listed."""
    kind = _KINDS[kind_of_symbol(symbol)]
    return kind, "-".join(symbol.split("-")[:2]) if kind == "OPTION" else ""


def _when(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
