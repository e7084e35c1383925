"""Delays, connections a second and requests an hour stay inside the exchange's limits."""

import random

from hypothesis import given
from hypothesis import strategies as st

from livekit.net.backoff import Backoff, ConnectLimiter
from livekit.net.limits import OperationBudget

SECOND = 1_000_000_000


@given(st.integers(0, 200), st.integers(0, 2**32))
def test_delay_grows_to_its_most_and_keeps_its_jitter(attempt, seed):
    delay = Backoff(source=random.Random(seed)).delay_ns(attempt)
    whole = min(30 * SECOND, 200_000_000 << attempt)
    assert whole // 2 <= delay <= whole


@given(st.lists(st.integers(0, SECOND // 2), min_size=1, max_size=50))
def test_no_second_has_more_than_three_connections(gaps):
    limiter, now, admitted = ConnectLimiter(), 0, []
    for gap in gaps:
        now += gap
        if limiter.admit(now) <= now:
            admitted.append(now)
    for k in range(3, len(admitted)):
        assert admitted[k] - admitted[k - 3] >= SECOND


def test_refused_connection_is_admitted_when_it_was_told_to_come_back():
    limiter = ConnectLimiter()
    assert [limiter.admit(5) for _ in range(3)] == [5, 5, 5]
    at = limiter.admit(6)
    assert at == 5 + SECOND
    assert limiter.admit(at) == at


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 3)), max_size=100))
def test_no_window_has_more_requests_than_the_limit(steps):
    budget, now, taken = OperationBudget(limit=10, window_ns=100), 0, []
    for gap, n in steps:
        now += gap
        if budget.take(now, n):
            taken += [now] * n
    for start in taken:
        assert sum(start <= at < start + 100 for at in taken) <= 10
