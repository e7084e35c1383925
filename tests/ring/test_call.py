"""Compiled functions by their address."""

import pytest

from livekit.ring.call import address_of, call1, call2
from livekit.ring.jit import hot


@hot
def _add(a: int, b: int) -> int:
    return a + b


@hot
def _refuse(a: int) -> int:
    if a <= 0:
        raise ArithmeticError
    return a


@hot
def _at(address: int, a: int, b: int) -> int:
    return call2(address, a, b)


@hot
def _at_one(address: int, a: int) -> int:
    return call1(address, a)


def test_function_called_by_its_address_gives_its_result():
    assert _at(address_of(_add, 2), 40, 2) == 42


def test_address_asked_for_again_is_the_same_without_the_compiler(monkeypatch):
    address = address_of(_add, 2)
    monkeypatch.setattr(type(_add), "compile", None)
    assert address_of(_add, 2) == address


def test_error_behind_an_address_stops_the_caller():
    address = address_of(_refuse, 1)
    assert _at_one(address, 1) == 1
    with pytest.raises(ArithmeticError):
        _at_one(address, 0)
