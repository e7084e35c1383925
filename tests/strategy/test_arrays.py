"""Arrays of an interpreted strategy's state give Python floats."""

import numpy as np
import pytest

from livekit.strategy.arrays import FloatArray


@pytest.fixture
def items():
    return np.arange(6.0).view(FloatArray)


def test_element_is_a_float(items):
    assert type(items[2]) is float
    assert items[-1] == 5.0
    assert type(items[np.int64(1)]) is float
    assert [type(item) for item in items] == [float] * 6


def test_division_by_an_element_of_zero_raises(items):
    with pytest.raises(ZeroDivisionError):
        1.0 / items[0]


def test_index_outside_raises(items):
    for index in (6, -7):
        with pytest.raises(IndexError):
            items[index]


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "min", "max"])
def test_reduction_is_numpys_and_a_float(items, name):
    plain = np.asarray(items)
    for result in (
        getattr(items, name)(),
        getattr(np, name)(items),
        getattr(items[1:4] + 1, name)(),
    ):
        assert type(result) is float
    assert getattr(items, name)() == getattr(plain, name)()


def test_slices_and_masks_are_arrays_that_share_memory(items):
    items[1:3][0] = 9.0
    assert items[1] == 9.0
    assert items[items > 4.0].tolist() == [9.0, 5.0]


def test_elements_are_written_as_in_any_array(items):
    items[0] = 7
    items[1:] = items[0]
    items[2] += 1
    assert items.tolist() == [7.0, 7.0, 8.0, 7.0, 7.0, 7.0]
