import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.ring.counters import (
    ENGINE_COUNTERS,
    HISTOGRAM_WORDS,
    STRATEGY_COUNTERS,
    observe,
    percentile,
    percentiles,
)

LARGEST = 2**37 - 1


def histogram_of(values):
    histogram = np.zeros(HISTOGRAM_WORDS + 2, np.int64)
    histogram[[0, -1]] = -7
    for value in values:
        observe(histogram[1:].ctypes.data, value)
    assert histogram[0] == histogram[-1] == -7
    return histogram[1:-1]


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(0, LARGEST) | st.integers(0, 5000), min_size=1, max_size=200),
    fraction=st.floats(0.001, 1.0),
)
def test_percentile_is_numpys_within_the_width_of_a_bucket(values, fraction):
    histogram = histogram_of(values)
    exact = np.percentile(values, fraction * 100, method="inverted_cdf")
    found = percentile(histogram, fraction)
    assert histogram.sum() == len(values)
    assert abs(found - exact) <= max(0.0, exact / 32) or (exact < 16 and found == exact)


@pytest.mark.parametrize("value", range(16))
def test_small_values_are_exact(value):
    assert percentile(histogram_of([value]), 0.5) == value


@pytest.mark.parametrize(("value", "counted_as"), [(-5, 0), (-(2**63), 0)])
def test_values_below_zero_count_as_zero(value, counted_as):
    assert percentile(histogram_of([value]), 0.5) == counted_as


@pytest.mark.parametrize("value", [LARGEST, LARGEST + 1, 2**62, 2**63 - 1])
def test_values_above_two_minutes_count_in_the_last_bucket(value):
    assert histogram_of([value])[HISTOGRAM_WORDS - 1] == 1


@pytest.mark.parametrize("exponent", range(4, 37))
def test_buckets_of_neighbouring_powers_meet_without_a_hole(exponent):
    below = int(np.flatnonzero(histogram_of([2**exponent - 1]))[0])
    at = int(np.flatnonzero(histogram_of([2**exponent]))[0])
    assert at == below + 1


def test_empty_histogram_has_no_percentiles():
    assert all(np.isnan(value) for value in percentiles(np.zeros(HISTOGRAM_WORDS)).values())


def test_percentiles_have_the_names_of_the_reports():
    found = percentiles(histogram_of(range(1000)))
    assert list(found) == ["p50", "p99", "p999"]
    assert found["p50"] == pytest.approx(499, rel=1 / 16)
    assert found["p99"] == pytest.approx(989, rel=1 / 16)


def test_counter_records_are_int64_words_only():
    for dtype in (ENGINE_COUNTERS, STRATEGY_COUNTERS):
        for kind, offset in dtype.fields.values():
            assert (kind.subdtype or (kind,))[0] == np.dtype("<i8")
            assert offset % 8 == 0
