"""Lines of a strategy's log: their form, and how many there may be."""

import io
import logging

import pytest

from livekit.events import Kind
from livekit.strategy import lines
from livekit.strategy.flyweight import EVENT_CLASSES
from livekit.strategy.lines import (
    RateLimit,
    callback_name,
    describe_error,
    format_line,
    log_to_stdout,
)


def entry(second, text="event=x n=%d", args=(1,)):
    record = logging.LogRecord("livekit", logging.INFO, "f", 1, text, args, None)
    record.created = float(second)
    return record


def test_line_is_the_text_and_exact_numbers():
    assert format_line("spread", [0.1, 2]) == "event=strategy_log text='spread' 0.1 2.0"
    assert format_line("a\nb", []) == "event=strategy_log text='a\\nb'"


def test_entries_over_the_limit_are_left_out_and_counted_in_the_next_one():
    limit = RateLimit(3)
    assert [limit.filter(entry(10)) for _ in range(5)] == [True, True, True, False, False]
    later = entry(11)
    assert limit.filter(later)
    assert later.getMessage() == "event=x n=1 suppressed=2"
    again = entry(11)
    assert limit.filter(again)
    assert again.getMessage() == "event=x n=1"


def test_error_is_described_by_class_and_text():
    assert describe_error(ValueError("no")) == "ValueError: no"
    assert describe_error(SystemExit()) == "SystemExit"


def raised(function):
    try:
        function()
    except ValueError as error:
        return error
    raise AssertionError


def test_callback_is_named_with_the_line_that_raised():
    def on_fill():
        raise ValueError

    def other():
        raise ValueError

    order = EVENT_CLASSES[Kind.ORDER]()
    order._kind = Kind.ORDER
    assert callback_name(raised(on_fill), order).startswith("on_fill (")
    assert callback_name(raised(other), order).startswith("on_order (")
    assert "test_lines.py:" in callback_name(raised(other), order)


@pytest.fixture
def livekit_logger():
    logger = logging.getLogger("livekit")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield logger
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_log_goes_to_standard_output_with_time_and_level(livekit_logger, monkeypatch):
    output = io.StringIO()
    monkeypatch.setattr(lines.sys, "stdout", output)
    log_to_stdout()
    livekit_logger.info("event=test n=%d", 3)
    stamp, level, *rest = output.getvalue().split()
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-01-05T00:00:00.000Z")
    assert (level, rest) == ("level=INFO", ["event=test", "n=3"])
