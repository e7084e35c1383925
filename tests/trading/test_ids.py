"""Client order ids: their form, their way there and back, and what the check finds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.trading.ids import MAX_EPOCH, client_order_id, parse_client_order_id

_IDS = st.tuples(st.integers(0, MAX_EPOCH), st.integers(0, 32**3 - 1), st.integers(0, 32**10 - 1))


@given(_IDS)
def test_id_is_22_letters_and_digits_and_reads_back(parts):
    text = client_order_id(*parts)
    assert re.fullmatch(r"L[0-9A-V]{21}", text)
    assert parse_client_order_id(text) == parts


def test_golden_id():
    assert client_order_id(0, 0, 0) == "L" + "0" * 21
    # 33 is 11 in base 32; 5 * 32**13 + 33 * 32**10 + 1000 is 684 modulo 1021.
    expected = (5 * 32**13 + 33 * 32**10 + 1000) % 1021
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
    check = digits[expected // 32] + digits[expected % 32]
    assert client_order_id(5, 33, 1000) == "L000005" + "011" + "00000000V8" + check


@given(_IDS, st.integers(1, 21), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUV"))
def test_every_wrong_digit_is_found(parts, place, digit):
    text = client_order_id(*parts)
    wrong = text[:place] + digit + text[place + 1 :]
    assert wrong == text or parse_client_order_id(wrong) is None


@given(_IDS, st.integers(1, 18))
def test_every_swap_of_neighbours_is_found(parts, place):
    text = client_order_id(*parts)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert wrong == text or parse_client_order_id(wrong) is None


@given(_IDS, _IDS)
def test_ids_of_two_intents_differ_and_sort_as_they_do(one, other):
    assert (client_order_id(*one)[:20] < client_order_id(*other)[:20]) == (one < other)


@pytest.mark.parametrize(
    "text", ["", "L", "manual-1", "l" + "0" * 21, "L" + "0" * 20 + "W", "X" * 22]
)
def test_foreign_id_is_none(text):
    assert parse_client_order_id(text) is None


def test_report_carries_the_id_of_its_intent(make_desk, words):
    desk = make_desk(epoch=77)
    desk.quote(100.0, 100.1)
    desk.limit(1, words.buy, 1.0, 99.0, strategy=3)
    report = desk.limit(1, words.buy, 1.0, 99.0, strategy=2)[0]
    assert parse_client_order_id(report["client_order_id"].decode()) == (77, 2, 2)
