"""Faults: when one acts, on what, and how often."""

import pytest

from livekit.errors import ConfigError
from livekit.okxsim.faults import Faults


def test_fault_acts_every_so_often_until_its_count_is_used_up():
    faults = Faults()
    faults.arm("drop", every=3, count=2, channel="trades")
    acted = [faults.strike("drop", channel="trades") is not None for _ in range(12)]
    assert acted == [False, False, True, False, False, True, *[False] * 6]
    assert faults.n_done == {"drop": 2}


def test_fault_of_one_place_leaves_others_alone():
    faults = Faults()
    faults.arm("lost", path="order", connection="private", count=0)
    where = {"connection": "private"}
    assert faults.strike("lost", path="cancel-order", **where) is None
    assert faults.strike("lost", path="order", connection="public") is None
    assert faults.strike("drop", path="order", **where) is None
    assert faults.strike("lost", path="order", **where) is not None
    assert faults.strike("lost", path="trade/order", **where) is not None


def test_fault_without_a_count_acts_until_cleared():
    faults = Faults()
    faults.arm("refuse", count=0)
    assert all(faults.strike("refuse") for _ in range(50))
    faults.clear("refuse")
    assert faults.strike("refuse") is None


@pytest.mark.parametrize(
    ("kind", "options"), [("dance", {}), ("drop", {"often": 2}), ("drop", {"every": 0})]
)
def test_unknown_fault_is_refused(kind, options):
    with pytest.raises(ConfigError):
        Faults().arm(kind, **options)
