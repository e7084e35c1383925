"""What is asked of the exchange before an engine starts: its instruments and its time.

Layer 4.
"""

from typing import Any, Final, NoReturn

import msgspec

from livekit.engine.okx.clock import ClockOffset
from livekit.errors import ConfigError, DeadlineError, FeedError, NotRunningError
from livekit.instruments import Instrument
from livekit.net.rest import Answer, Get, RestClient
from livekit.okx.hosts import Hosts
from livekit.okx.instruments import kind_of_symbol, parse_instruments

__all__ = ["ask_time", "instrument_calls", "load_instruments", "take_time"]

_TRIES: Final = 3
_KINDS: Final = {"spot": "SPOT", "swap": "SWAP", "futures": "FUTURES"}
_SHOWN: Final = 8


class _Time(msgspec.Struct):
    ts: int


class _TimeReply(msgspec.Struct):
    data: list[_Time]


_time: Final = msgspec.json.Decoder(_TimeReply, strict=False)


def ask_time() -> Get:
    """Return the call for the exchange's clock."""
    return Get("/api/v5/public/time")


def take_time(offset: ClockOffset, answer: Answer) -> bool:
    """Note an answer to `ask_time`; False when it is none."""
    try:
        (row,) = _time.decode(answer.body).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return False
    if answer.status != 200 or not 0 < row.ts < 9_000_000_000_000:
        return False
    offset.note(answer.sent_ns, answer.received_ns, row.ts)
    return True


def instrument_calls(symbols: list[str]) -> list[Get]:
    """Return the calls that list every instrument of the kinds of `symbols`."""
    paths = []
    for symbol in symbols:
        kind = kind_of_symbol(symbol)
        if kind == "option":
            family = "-".join(symbol.split("-")[:2])
            paths.append(f"/api/v5/public/instruments?instType=OPTION&instFamily={family}")
        else:
            paths.append(f"/api/v5/public/instruments?instType={_KINDS[kind]}")
    return [Get(path) for path in dict.fromkeys(paths)]


def load_instruments(rest: RestClient, symbols: list[str], hosts: Hosts) -> tuple[Instrument, ...]:
    """Return the instruments of some symbols, in their order.

    Raises
    ------
    ConfigError
        A symbol is not listed, or the address is not an exchange's.
    NotRunningError
        Nothing listens there.
    DeadlineError
        It does not answer.
    """
    listed: dict[str, Instrument] = {}
    for call in instrument_calls(symbols):
        listed.update((one.symbol, one) for one in _ask(rest, call, hosts))
    unknown = [symbol for symbol in symbols if symbol not in listed]
    if unknown:
        same = unknown[0].split("-")[0]
        near = [name for name in sorted(listed) if name.startswith(f"{same}-")]
        names = ", ".join((near or sorted(listed))[:_SHOWN]) or "none of that kind"
        raise ConfigError(
            f"symbol {unknown[0]!r} is not listed at {hosts.rest}; it lists {names}"
            f"{' and others' if len(listed) > _SHOWN else ''}"
        )
    return tuple(listed[symbol] for symbol in symbols)


def _ask(rest: RestClient, call: Get, hosts: Hosts) -> list[Instrument]:
    answer = rest.request(call)
    for _ in range(_TRIES - 1):
        if answer.status == 200 or not (answer.status >= 500 or answer.body == b"timed out"):
            break
        answer = rest.request(call)
    if answer.status != 200:
        _refuse(answer, hosts)
    try:
        return parse_instruments(answer.body)
    except FeedError as error:
        raise ConfigError(
            f"address {hosts.rest!r} answers, but not as the exchange does ({error}); correct --url"
        ) from error


def _refuse(answer: Answer, hosts: Hosts) -> NoReturn:
    """Say why the exchange cannot be asked, and what to do."""
    reason: Any = answer.body.decode(errors="replace") if answer.status == 0 else ""
    simulator = hosts.rest.startswith("http://")
    if reason == "timed out" or answer.status >= 500:
        what = f"HTTP {answer.status}" if answer.status else "no answer in time"
        raise DeadlineError(
            f"exchange at {hosts.rest} is not available ({what}); try again in a minute"
        )
    if "refused" in reason:
        advice = (
            "start the simulator with 'livekit okx-sim', or correct --url"
            if simulator
            else "look at the connection and the firewall"
        )
        raise NotRunningError(f"nothing listens at {hosts.rest}; {advice}")
    if answer.status == 0:
        raise ConfigError(
            f"exchange at {hosts.rest} cannot be reached: {reason}; look at --url, the name and "
            "the connection"
        )
    advice = (
        "correct --url"
        if simulator
        else "look whether --env and --region fit, and whether the exchange serves your country"
    )
    raise ConfigError(
        f"address {hosts.rest!r} answers HTTP {answer.status} to a question every exchange "
        f"answers; {advice}"
    )
