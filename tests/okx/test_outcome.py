"""Codes to outcomes, advice and rejects, against the protocol's classes."""

import pytest

from livekit.events import Action, Reject
from livekit.okx.codes import _ROWS, CANCEL_REASONS, TABLE
from livekit.okx.outcome import (
    Outcome,
    Transport,
    advice,
    outcome_of,
    reject_of,
    reject_of_cancel,
    transport_of_status,
)
from livekit.trading.okx_codes import CANCEL_SOURCES, S_CODES, s_code

UNKNOWN = [
    "50001",
    "50026",
    "50004",
    "51054",
    "51149",
    "64007",
    "51016",
    "51400",
    "51410",
    "51412",
    "51503",
    "51603",
]
NOT_SENT = ["50011", "50013", "50040", "50061", "60014", "50036", "50037"]
REJECTED = [
    "60011",
    "60012",
    "60013",
    "60027",
    "60028",
    "60033",
    "51000",
    "50014",
    "50016",
    "51008",
    "51121",
    "54004",
    "99999",
]
SHARED = {Reject.INVALID_PRICE, Reject.INVALID_QUANTITY}


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        (["0"], Outcome.ACCEPTED),
        (UNKNOWN, Outcome.UNKNOWN),
        (NOT_SENT, Outcome.NOT_SENT),
        (REJECTED, Outcome.REJECTED),
    ],
)
def test_codes_fall_into_the_protocols_classes(codes, outcome):
    assert {code: outcome_of(code) for code in codes} == dict.fromkeys(codes, outcome)


@pytest.mark.parametrize("code", ["", "x", "5101", "511111", "\uff151000", "-5100"])
def test_what_is_no_code_is_an_unknown_outcome(code):
    assert outcome_of(code) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, Outcome.UNKNOWN),
        (429, Outcome.NOT_SENT),
        (500, Outcome.UNKNOWN),
        (503, Outcome.UNKNOWN),
        (200, Outcome.ACCEPTED),
    ],
)
def test_http_status_comes_before_the_code(status, outcome):
    assert outcome_of("0", "", transport_of_status(status)) is outcome


def test_only_a_request_of_which_no_byte_left_or_that_was_limited_may_be_repeated():
    repeatable = {t for t in Transport if outcome_of("0", "", t) is Outcome.NOT_SENT}
    assert repeatable == {Transport.UNSENT, Transport.LIMITED}


def test_every_advice_is_a_sentence_that_names_a_fix():
    for code, meaning in TABLE.items():
        assert meaning.advice == meaning.advice.strip()
        assert not meaning.advice.endswith("."), code
        assert ":" in meaning.advice, code
        assert meaning.advice[0].islower() or meaning.advice[:3] in {"OKX", "20 "}, code
        assert len(meaning.advice) <= 120, code


def test_advice_tells_sub_codes_apart_and_has_one_for_unlisted_codes():
    assert "margin" in advice("51008", "1001")
    assert "after a fill" in advice("51008", "1000")
    assert advice("51008", "1009") == advice("51008")
    assert "list of error codes" in advice("59999")


def test_both_directions_agree_on_codes():
    for reject, code in S_CODES.items():
        assert reject_of(code) is (Reject.MALFORMED if reject in SHARED else reject)
    for reject in (Reject.UNKNOWN_ORDER, Reject.POST_ONLY_WOULD_TAKE, Reject.DUPLICATE_ORDER):
        assert reject_of(s_code(reject, Action.MODIFY)) is reject


def test_both_directions_agree_on_cancel_sources():
    for reject, source in CANCEL_SOURCES.items():
        assert reject_of_cancel(source) is reject
    assert reject_of_cancel("13") is Reject.NO_LIQUIDITY
    assert reject_of_cancel("1") is reject_of_cancel("") is reject_of_cancel("999") is Reject.NONE
    assert Reject.NONE not in CANCEL_REASONS.values()


def test_code_without_a_row_is_malformed_and_a_success_is_none():
    assert reject_of("0") is Reject.NONE
    assert reject_of("59999") is Reject.MALFORMED


def test_no_code_stands_in_the_table_twice():
    listed = [code for codes, *_ in _ROWS for code in codes.split()]
    assert len(listed) == len(set(listed)) == len(TABLE)
