"""What `livekit doctor` checks of an account: the key's rights, modes, fees, funds, limits.

Layer 5.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from livekit.cli.findings import Finding, State
from livekit.engine.okx.account import AccountSync
from livekit.engine.okx.rights import (
    LEVELS,
    config_warnings,
    level_problem,
    position_mode_problem,
    rights_problem,
)
from livekit.errors import FeedError
from livekit.instruments import Instrument
from livekit.net.rest import RestClient
from livekit.okx import calls, rest
from livekit.okx.outcome import advice
from livekit.okx.rest import ApiError

__all__ = ["check_account"]

_CONFIG: Final = 4
_SHOWN: Final = 6
_PLACE_RATE: Final = 60  # new orders of an instrument in two seconds (PROTOCOL 7.5)


def check_account(
    client: RestClient, instruments: Sequence[Instrument], *, is_demo: bool
) -> Iterator[Finding]:
    """Check an account with a client that signs.

    Parameters
    ----------
    instruments : sequence of Instrument
        What will be traded: modes and fees are judged by them.
    is_demo : bool
        Which environment the calls are signed for, for the sentences.
    """
    sync = AccountSync(instruments)
    refused: Finding | None = None
    for call in sync.calls():
        answer = client.request(call)
        sync.take_answer(call.path, answer.status, answer.body, answer.received_ns)
        if sync.config is None:
            refused = _refused(answer.status, answer.body)
            break
    yield refused or Finding(
        "key accepted", State.OK, f"as one of {'demo' if is_demo else 'live'} trading"
    )
    if refused is not None or sync.config is None:
        return
    yield from _check_config(sync)
    yield _check_fees(sync)
    yield _check_funds(sync)
    yield _check_rate(client)
    if sync.problem and not sync.is_refused:
        yield Finding("account", State.PROBLEM, sync.problem, "run this again")


def _refused(status: int, body: bytes) -> Finding:
    """Say why the exchange does not take the key."""
    try:
        rest.parse_account_config(body)
    except ApiError as error:
        text = str(error).partition(": ")[0]
        return Finding("key accepted", State.PROBLEM, text, advice(error.code), _CONFIG)
    except FeedError as error:
        what = f"HTTP {status}" if status else body.decode(errors="replace")
        return Finding("key accepted", State.PROBLEM, f"not told ({what}): {error}", "try again")
    raise AssertionError("an answer that is one was not taken")


def _check_config(sync: AccountSync) -> Iterator[Finding]:
    config, instruments = sync.config, sync.instruments
    assert config is not None
    rights = ", ".join(sorted(config.permissions))
    yield _judged("rights", rights_problem(config), f"{rights}; it may not withdraw")
    mode = f"{LEVELS.get(config.acctLv, config.acctLv)} mode"
    yield _judged("account mode", level_problem(config.acctLv, instruments), mode)
    yield _judged(
        "position mode",
        position_mode_problem(config, instruments),
        "one-way (net_mode)" if config.posMode == "net_mode" else f"{config.posMode}, spot alone",
    )
    warnings = config_warnings(config)
    for sentence in warnings:
        text, _, fix = sentence.partition("; ")
        yield Finding("account", State.NOTE, text, fix)
    if config.ip:
        yield Finding("address", State.OK, "the key is bound to addresses")
    for symbol in sync.terms.missing:
        text, _, fix = sync.problem.partition("; ")
        yield Finding(symbol, State.PROBLEM, text, fix, _CONFIG)


def _judged(name: str, problem: str, text: str) -> Finding:
    if not problem:
        return Finding(name, State.OK, text)
    what, _, fix = problem.partition("; ")
    return Finding(name, State.PROBLEM, what, fix, _CONFIG)


def _check_fees(sync: AccountSync) -> Finding:
    assert sync.config is not None
    level = sync.config.level or "level not told"
    found = [
        f"{symbol} {fees.maker * 1e4:g} / {fees.taker * 1e4:g} bp"
        for symbol, fees in sync.fees.items()
    ]
    text = f"{level}; maker / taker: {', '.join(found)}" if found else level
    if len(found) < len(sync.instruments):
        return Finding("fees", State.NOTE, f"{text}; not told for every instrument")
    return Finding("fees", State.OK, text)


def _check_funds(sync: AccountSync) -> Finding:
    held = sorted(sync.balances.values(), key=lambda one: one.currency)
    if not held:
        return Finding("balances", State.NOTE, "the account is empty", "move funds to it at OKX")
    shown = ", ".join(f"{one.currency} {one.available:,.10g}" for one in held[:_SHOWN])
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    text = f"available {shown}{more}; {len(sync.positions)} positions open"
    needed = {one.settle or one.quote for one in sync.listings.values()}
    short = sorted(needed - {one.currency for one in held if one.available > 0} - {""})
    if short:
        return Finding("balances", State.NOTE, text, f"no {', '.join(short)} to buy with")
    return Finding("balances", State.OK, text)


def _check_rate(client: RestClient) -> Finding:
    answer = client.request(calls.account_rate_limit())
    each = f"{_PLACE_RATE} new orders in 2 s of each instrument"
    try:
        told = rest.parse_order_rate(answer.body)
    except FeedError as error:
        return Finding("order rate", State.NOTE, f"{each}; the account's is not told: {error}")
    limit = f"{told.accRateLimit} of the account" if told.accRateLimit != "" else "not limited"
    return Finding("order rate", State.OK, f"{each}, {limit}")
