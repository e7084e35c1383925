"""Fixtures of the trading core's tests."""

from types import SimpleNamespace

import pytest
from desk import SECOND, SPOT, SWAP, Desk, unlimited

from livekit.events import REDUCE_ONLY, Side, TimeInForce


@pytest.fixture
def make_desk():
    """Return the maker of desks."""
    return Desk


@pytest.fixture
def desk():
    """Return a desk whose first instrument quotes 100.0 at 100.1, ten each, without limits."""
    made = Desk()
    made.quote(100.0, 100.1)
    return made


@pytest.fixture
def words():
    """Return what tests say often."""
    return SimpleNamespace(
        buy=Side.BUY,
        sell=Side.SELL,
        ioc=TimeInForce.IOC,
        fok=TimeInForce.FOK,
        gtx=TimeInForce.GTX,
        reduce_only=REDUCE_ONLY,
        unlimited=unlimited,
        second=SECOND,
        spot=SPOT,
        swap=SWAP,
    )
