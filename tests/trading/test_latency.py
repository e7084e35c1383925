"""Latencies and queue models as a user writes them: taken, refused, and said in words."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from livekit.errors import ConfigError
from livekit.trading.core import TradingCore
from livekit.trading.latency import Latency, parse_ns
from livekit.trading.queue_model import KINDS, QueueModel

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2ms", 2 * MS),
        ("150us", 150_000),
        ("150 µs", 150_000),
        ("1.5s", 1_500 * MS),
        (" 7 ns ", 7),
        ("0.1us", 100),
        (0, 0),
        (np.int64(5), 5),
        ("86400s", 86_400_000 * MS),
    ],
)
def test_span_is_read_as_nanoseconds(text, span):
    assert parse_ns("order", text) == span


@pytest.mark.parametrize(
    "value", [-1, 1.5, "2", "2 minutes", "-2ms", "1e3ns", None, True, "86401s", "", "recorded"]
)
def test_bad_span_is_refused_with_what_is_expected(value):
    with pytest.raises(ConfigError, match=r'order latency is .*, expected whole nano.*"1\.5s"'):
        Latency(order=value)


def test_values_become_nanoseconds_and_feed_has_its_own_face():
    latency = Latency(feed="1ms", order="2ms", response=3)
    assert (latency.feed, latency.order, latency.response) == (MS, 2 * MS, 3)
    assert (latency.feed_ns, latency.is_feed_recorded, latency.is_zero) == (MS, False, False)
    assert Latency(feed="recorded").is_feed_recorded
    assert Latency(feed="recorded").feed_ns == 0
    assert Latency(feed="5ms").is_zero


def test_latency_says_itself():
    @njit
    def slower(ts_ns, sequence):
        return sequence

    assert Latency().describe() == "none"
    text = Latency(feed="1.5ms", order="2ms", response="150us").describe()
    assert text == "feed 1.5ms, order 2ms, response 150us"
    assert Latency(feed="recorded", order=slower).describe() == (
        "feed recorded, order slower(), response 0"
    )
    sampled = Latency.sampled(order_ns=[MS, 3 * MS, 2 * MS], response_ns=[5])
    assert (
        sampled.describe()
        == "order sampled from 3, median 2ms, response sampled from 1, median 5ns"
    )
    assert Latency.interpolated([1, 2], [MS, MS], [0, 0]).describe() == (
        "order interpolated from 2, median 1ms, response interpolated from 2, median 0"
    )


@pytest.mark.parametrize("values", [[], [[1]], [-1], ["a"], [np.nan], [1 << 62]])
def test_bad_samples_are_refused(values):
    with pytest.raises(ConfigError, match="order latencies"):
        Latency.sampled(order_ns=values, response_ns=[1])


def test_bad_times_and_lengths_are_refused():
    with pytest.raises(ConfigError, match=r"times of the latencies .* rising"):
        Latency.interpolated([2, 1], [1, 1], [1, 1])
    with pytest.raises(ConfigError, match="response latencies are 1, expected one for each"):
        Latency.interpolated([1, 2], [1, 1], [1])
    with pytest.raises(ConfigError, match="seed is 'x'"):
        Latency.sampled(order_ns=[1], response_ns=[1], seed="x")


@pytest.mark.parametrize("name", [name for name in KINDS if name != "function"])
def test_queue_model_is_read_by_its_name(name):
    assert QueueModel.parse(name).name == name


def test_queue_model_says_itself():
    @njit
    def half(front, back):
        return 0.5

    assert QueueModel.parse("risk_averse").describe() == "risk_averse"
    assert QueueModel.parse(("power_prob", 3)).describe() == "power_prob 3"
    assert QueueModel.parse(half).describe() == "half()"
    model = QueueModel("log_prob", hidden="empty")
    assert QueueModel.parse(model) is model
    assert model.describe() == "log_prob, hidden levels empty"


@pytest.mark.parametrize(
    "value", ["fifo", ("log_prob", 2), ("power_prob", 0), ("power_prob", "x"), 3, None, "function"]
)
def test_bad_queue_model_is_refused(value):
    with pytest.raises(ConfigError, match="queue model"):
        QueueModel.parse(value)


def test_bad_word_for_hidden_levels_is_refused():
    with pytest.raises(ConfigError, match=r"hidden levels .* expected one of keep, empty"):
        QueueModel(hidden="gone")


def not_compiled(first, second):
    return first


@njit
def of_floats(ts_ns, sequence):
    return ts_ns / 2


@njit
def of_nothing():
    return 1


@njit
def of_counts(front, back):
    return 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latency": Latency(order=not_compiled)}, "order latency function .* numba.njit"),
        ({"latency": Latency(response=of_floats)}, "'of_floats' returns float64, expected int64"),
        ({"latency": Latency(order=of_nothing)}, "'of_nothing' does not compile for"),
        ({"queue": not_compiled}, "queue function .* numba.njit"),
        ({"queue": of_counts}, "'of_counts' returns int64, expected float64"),
    ],
)
def test_function_that_the_core_cannot_call_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TradingCore(**options)


def test_models_are_read_without_numba():
    code = (
        "import sys\n"
        "from livekit.trading import Latency, QueueModel\n"
        "Latency(order='2ms'), QueueModel()\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
