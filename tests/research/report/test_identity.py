"""The hash of a run, and where two runs first part."""

import numpy as np
from hand_made_run import BUY, NAN, SECOND, SELL, fill, make, order, sample


def parts():
    fills = [fill(1, BUY, 1, 100.0), fill(2, SELL, 1, 101.0, order_id=2)]
    orders = [order(1, BUY, 1, 100.0), order(2, SELL, 1, 101.0)]
    return fills, orders, [sample(0, 1000.0), sample(5, 1001.0)]


def test_equal_runs_have_equal_hashes_and_no_differences():
    one, other = make(*parts()), make(*parts(), name="other", wall_s=9.0)
    assert one.hash == other.hash
    assert len(one.hash) == 16
    assert int(one.hash, 16) >= 0
    assert one.differences(other) == []


def test_client_order_ids_do_not_count():
    fills, orders, equity = parts()
    orders[0]["client_order_id"] = b"L0000020010000000001AA"
    other = make(fills, orders, equity)
    assert other.hash == make(*parts()).hash
    assert other.differences(make(*parts())) == []


def test_any_nan_and_either_zero_are_one_value():
    fills, orders, equity = parts()
    one = make(fills, orders, equity)
    other = make(fills, orders, equity)
    other.fill_rows["bid"].view("u8")[:] |= 1  # another NaN
    other.fill_rows["fee"] = -0.0
    assert np.isnan(other.fill_rows["bid"]).all()
    assert other.hash == one.hash
    assert one.differences(other) == []


def test_every_field_of_orders_and_fills_counts():
    base = make(*parts())
    for rows in ("order_rows", "fill_rows"):
        for name in getattr(base, rows).dtype.names:
            if name in {"client_order_id", "spare"}:
                continue
            other = make(*parts())
            getattr(other, rows)[name][1] = 77
            assert other.hash != base.hash, name
            (sentence,) = base.differences(other)
            assert f"{name} is " in sentence


def test_difference_names_order_instrument_time_and_values():
    fills, orders, equity = parts()
    fills[1]["price"], fills[1]["fee"] = 101.5, 0.25
    (sentence,) = make(*parts()).differences(make(fills, orders, equity))
    assert sentence == (
        "fill 1 (order 2 of BTC-USDT at 2026-01-05T00:00:02.000000000Z): "
        "price is 101.0 in one and 101.5 in the other, fee is 0.0 in one and 0.25 in the other"
    )


def test_only_the_first_row_that_differs_is_named():
    fills, orders, equity = parts()
    orders[0]["final_ns"] = orders[0]["created_ns"] + SECOND
    orders[1]["price"] = NAN
    (sentence,) = make(*parts()).differences(make(fills, orders, equity))
    assert sentence.startswith("order 0 (order 1 of BTC-USDT")
    assert "final_ns is never in one and 2026-01-05T00:00:01.000000000Z in the other" in sentence


def test_missing_rows_are_named():
    fills, orders, equity = parts()
    found = make(*parts()).differences(make(fills[:1], orders, equity[:1]))
    at_two = "fill 1 (order 2 of BTC-USDT at 2026-01-05T00:00:02.000000000Z)"
    at_five = "equity row 1 at 2026-01-05T00:00:05.000000000Z"
    only = "is only in one: 2 rows in one, 1 in the other"
    assert found == [f"{at_two} {only}", f"{at_five} {only}"]
    assert "only in the other" in make(fills[:1], orders, equity).differences(make(*parts()))[0]


def test_equity_does_not_change_the_hash_but_differs():
    fills, orders, equity = parts()
    equity[1]["equity"] = 1002.0
    other = make(fills, orders, equity)
    assert other.hash == make(*parts()).hash
    assert other.differences(make(*parts()))[0].startswith("equity row 1 at 2026-01-05T00:00:05")


def test_instrument_that_the_meta_does_not_know_is_named_by_number():
    fills, orders, equity = parts()
    orders[0]["instrument"] = 0xFFFF
    (sentence,) = make(fills, orders, equity).differences(make(*parts()))
    assert "of instrument 65535" in sentence
