"""Names and numbers of instruments, also of those added later."""

import numpy as np
import pytest
from wires import INSTRUMENTS

from livekit.errors import NotFoundError
from livekit.instruments import Instrument
from livekit.strategy.context import Context
from livekit.strategy.table import InstrumentTable


@pytest.fixture
def engine():
    """Give a list that stands for the engine's directory, with a count of its reads."""
    return list(INSTRUMENTS)


def test_names_and_numbers_are_rows_of_the_directory(engine):
    table = InstrumentTable(lambda start: engine[start:])
    assert table.numbers == {"BTC-USDT": 0, "ETH-USDT": 1}
    assert (table.symbols[0], table.symbols[1], len(table)) == ("BTC-USDT", "ETH-USDT", 2)
    assert table.instrument("ETH-USDT") is engine[1]


def test_name_not_known_yet_is_looked_for_again(engine):
    table = InstrumentTable(lambda start: engine[start:])
    assert table.number("XRP-USDT") == -1
    engine.append(Instrument("XRP-USDT", 0.1, 1.0, 1.0))
    assert table.number("XRP-USDT") == 2


def test_number_not_known_yet_is_looked_for_again(engine):
    table = InstrumentTable(lambda start: engine[start:])
    engine.append(Instrument("XRP-USDT", 0.1, 1.0, 1.0))
    assert table.symbols[2] == "XRP-USDT"
    assert table.symbols[3] == ""


def test_number_of_no_instrument_reads_nothing(engine):
    reads = []
    table = InstrumentTable(lambda start: reads.append(start) or engine[start:])
    assert table.symbols[65535] == ""
    assert reads == [0]


def test_context_follows(engine):
    table = InstrumentTable(lambda start: engine[start:])
    context = Context(np.dtype([]), np.dtype([]), 0)
    table.follow(context)
    assert context.view["n_instruments"] == 2
    engine.append(Instrument("XRP-USDT", 0.25, 3.0, 6.0, 10.0))
    table.refresh()
    assert context.view["n_instruments"] == 3
    steps = context.steps[2]
    assert (steps["tick"], steps["lot"], steps["min_quantity"]) == (0.25, 3.0, 6.0)
    assert (steps["contract_value"], steps["lot_numerator"]) == (10.0, 3.0)


def test_unknown_instrument_is_an_error_that_lists_the_known(engine):
    table = InstrumentTable(lambda start: engine[start:])
    with pytest.raises(NotFoundError, match="it has BTC-USDT, ETH-USDT"):
        table.instrument("DOGE")
    with pytest.raises(NotFoundError, match="it has none"):
        InstrumentTable(lambda _start: []).instrument("DOGE")
