# ruff: noqa: E501, Q003
# The table below has one row per line, however long its sentence.
"""What cannot be compiled is refused before the start, with the line and one sentence."""

import sys
from pathlib import Path

import pytest
from compiled_rig import Rig, write_class

from livekit.errors import StrategyError
from livekit.strategy.compiled import Compiled, build
from livekit.strategy.declaration import declare

HEADER = """import json
import math

import numpy as np
import pandas as pd

import livekit as lk

COUNTS = {}
NAMES = ["a"]


def twice(x):
    return 2 * x


"""
CLASS = """class Mine(lk.Strategy):
    symbols = ("BTC-USDT", "ETH-USDT")
    fast = lk.Param(0.1, 0.01, 0.5)
    TABLE = {1: 2}
    spread: float = 0.0
    side: int = 0
    is_up: bool = False
    prices: lk.array(8)

    def helper(self, x):
        return x + 1

    def on_quote(self, quote):
"""
FIRST_LINE = len((HEADER + CLASS).splitlines()) + 1

# The body of on_quote, the line of it that is named (from 1), and the sentence.
TABLE = [
    # attributes of self
    ("self.sprd = 1.0", 1, "self.sprd is assigned but not declared; did you mean 'spread'?"),
    ("self.ema = 1.0", 1, "self.ema is assigned but not declared; declare it in the class: ema: float = 0.0"),
    ("x = self.sprad", 1, "self.sprad is not declared; did you mean 'spread'?"),
    ("self.fast = 0.2", 1, "self.fast is a parameter and cannot be assigned; keep a state field beside it"),
    ("self.prices = 1", 1, "self.prices is an array of fixed size; assign its elements: self.prices[:] = ..."),
    ("self.side = quote.bid_price", 1, "self.side is declared int and is assigned a float; write int(...) or declare it float"),
    ("self.side += 0.5", 1, "self.side is declared int and is assigned a float; write int(...) or declare it float"),
    ("self.is_up = 1", 1, "self.is_up is declared bool and is assigned an int; write a comparison, or declare it int"),
    ("self.spread = quote.symbol", 1, "self.spread is declared float and is assigned a symbol; assign a number, or return one on every path"),
    ("x = self.helper", 1, "self.helper is a method; call it: self.helper(...)"),
    ("self.spread(1)", 1, "self.spread is not a method and cannot be called"),
    ("x = self.TABLE[1]", 1, "self.TABLE is a dict, which compiled code cannot use; keep numbers, tuples of numbers, or functions there"),
    # attributes of events
    ("x = quote.bid", 1, "attribute 'bid' of a quote does not exist; did you mean 'bid_price'?"),
    ("x = quote.last_prize", 1, "attribute 'last_prize' of a quote does not exist; did you mean 'ask_price'?"),
    ("quote.bid_price = 1.0", 1, "only variables and fields of self can be assigned; make the function a method"),
    ("for o in self.open_orders:\n    x = o.client_order_id", 2, "attribute 'client_order_id' of an order is text, which compiled code does not have"),
    ("x = self.instrument(quote.symbol).kind", 1, "attribute 'kind' of an instrument is not there in compiled code, which has tick, lot, min_quantity, contract_value"),
    # symbols and text
    ("self.buy('SOL-USDT', 1)", 1, "'SOL-USDT' is not one of the class's symbols ('BTC-USDT', 'ETH-USDT'): compiled code has text only in self.log, for symbols and in raise; if it names an instrument, add it to symbols"),
    ("self.buy(1, 2)", 1, "symbol is an int, expected a name in the text, event.symbol or one of self.symbols"),
    ("if quote.symbol == 3:\n    pass", 1, "a symbol is compared with an int, expected a name in the text or a symbol"),
    ("self.log(f'{self.spread}')", 1, "the first argument of self.log must be a text in quotes; give numbers after it: self.log(\"spread\", x, y)"),
    ("self.log('x', f'{self.spread}')", 1, "an f-string cannot be compiled; log a fixed text with numbers after it: self.log(\"spread\", x, y)"),
    ("self.log('x', 1, 2, 3, 4, 5)", 1, "self.log has 5 numbers, at most 4 go into a line"),
    ("self.log('x', quote.symbol)", 1, "a logged value is a symbol, expected a number"),
    # calls
    ("self.buy('BTC-USDT')", 1, "self.buy(): missing a required argument: 'quantity'"),
    ("self.buy('BTC-USDT', 1, quantum=2)", 1, "self.buy(): got an unexpected keyword argument 'quantum'"),
    ("self.buy('BTC-USDT', 1, 2, 3)", 1, "self.buy(): too many positional arguments"),
    ("self.buy('BTC-USDT', quote.symbol)", 1, "quantity is a symbol, expected a number"),
    ("self.helper(1, 2)", 1, "self.helper(): too many positional arguments"),
    ("x = twice()", 1, "twice(): missing a required argument: 'x'"),
    ("args = (1,)\nself.helper(*args)", 2, "a call with * cannot be compiled; write the arguments"),
    ("print(1)", 1, "print cannot be used in compiled code; use self.log(text, x, y)"),
    ("open('x')", 1, "open cannot be used in compiled code; a compiled strategy has no files"),
    ("x = pd.DataFrame()", 1, "pd.DataFrame of pandas cannot be used in compiled code; compute it in Python, or run the strategy interpreted"),
    ("x = json.dumps(1)", 1, "json.dumps of json cannot be used in compiled code; compute it in Python, or run the strategy interpreted"),
    ("x = np.exp(1.0)", 1, "np.exp of numpy cannot be used in compiled code; use math.exp, which is the same both ways"),
    ("x = math.nothing", 1, "'math.nothing' does not exist: no 'nothing'"),
    # names
    ("x = undefined + 1", 1, "name 'undefined' is not defined"),
    ("COUNTS[1] = 2", 1, "COUNTS is a dict, which compiled code cannot use; keep numbers, tuples of numbers, or functions there"),
    ("x = NAMES[0]", 1, "NAMES is a list, which compiled code cannot use; keep numbers, tuples of numbers, or functions there"),
    ("if self.side:\n    v = 1.0\nself.spread = 1 + v2", 3, "name 'v2' is not defined"),
    # constructs
    ("import os", 1, "an import inside a method cannot be compiled; import at the top of the file"),
    ("x = {}", 1, "a dict cannot be compiled; use lk.array(n) in the state, or run it interpreted"),
    ("x = {1, 2}", 1, "a set cannot be compiled; use lk.array(n) in the state, or run it interpreted"),
    ("x = lambda y: y", 1, "a lambda cannot be compiled; define a function outside the class"),
    ("def f(): pass", 1, "a function inside a method cannot be compiled; define it outside the class"),
    ("with open('x') as f:\n    pass", 1, "'with' cannot be compiled; a compiled strategy has no files and no locks"),
    ("global COUNTS", 1, "a variable of the module cannot be assigned in compiled code; keep it in self"),
    ("try:\n    x = 1\nexcept ValueError:\n    x = 2", 1, "'except ValueError' cannot be compiled; only 'except Exception' can"),
    ("try:\n    x = 1\nexcept Exception as e:\n    x = 2", 1, "'except Exception as e' cannot be compiled; drop the name"),
    ("try:\n    x = 1\nfinally:\n    x = 2", 1, "'finally' cannot be compiled; write the lines after the try"),
    ("match self.side:\n    case 1:\n        pass", 1, "'match' cannot be compiled; use if and elif"),
    ("yield 1", 1, "'yield' cannot be compiled"),
    ("x = sum(p for p in self.prices)", 1, "a generator expression cannot be compiled; write a loop"),
    ("x = 'text'", 1, "'text' is not one of the class's symbols ('BTC-USDT', 'ETH-USDT'): compiled code has text only in self.log, for symbols and in raise; if it names an instrument, add it to symbols"),
    ("raise ValueError(f'{self.side}')", 1, "an f-string cannot be compiled; log a fixed text with numbers after it: self.log(\"spread\", x, y)"),
    ("raise KeyboardInterrupt", 1, "KeyboardInterrupt cannot be used in compiled code; compute it in Python, or run the strategy interpreted"),
    # kinds of variables, which only type inference sees
    ("if self.side:\n    v = 1.0\nelse:\n    v = self.prices\nx = v", 5, "variable 'v' is a float in one place and an array in another; use two names"),
    ("x = quote.bid_price + quote.symbol", 1, "'+' of a float and a symbol cannot be compiled"),
    ("x = self.prices['a']", 1, "'a' is not one of the class's symbols ('BTC-USDT', 'ETH-USDT'): compiled code has text only in self.log, for symbols and in raise; if it names an instrument, add it to symbols"),
    ("x = self.prices[0.5]", 1, "an array cannot be indexed with a float in compiled code"),
    ("x = quote.bid_price.real_part", 1, "a float has no attribute 'real_part' in compiled code"),
    ("x = 2 ** self.side", 1, "'**' of whole numbers needs an exponent that stands in the text; write float(x) ** n"),
    ("x = abs(quote.symbol)", 1, "'abs' of a symbol cannot be compiled"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "line", "sentence"), TABLE, ids=[row[0][:40] for row in TABLE])
def test_refusal_names_the_line_and_says_why(tmp_path, body, line, sentence):
    text = CLASS + "\n".join("        " + row for row in body.splitlines()) + "\n"
    cls = write_class(tmp_path, text, header=HEADER)
    with pytest.raises(StrategyError) as caught:
        build(cls, declare(cls))
    place, _, message = str(caught.value).partition(": ")
    assert place.endswith(f".py:{FIRST_LINE + line - 1}")
    assert message.rsplit(" (in ", 1)[0] == sentence
    assert "\n" not in message


def refusal_of(tmp_path, text, header="import livekit as lk\n"):
    cls = write_class(tmp_path, text, header=header)
    with pytest.raises(StrategyError) as caught:
        build(cls, declare(cls))
    return str(caught.value).split(": ", 1)[1]


def test_class_without_symbols_knows_no_instrument_by_name(tmp_path):
    text = "class Mine(lk.Strategy):\n    def on_quote(self, q):\n        self.buy('BTC-USDT', 1)\n"
    assert refusal_of(tmp_path, text) == (
        "'BTC-USDT' is not known: compiled code has text only in self.log, for symbols and in "
        "raise, and the class declares no symbols; if it names an instrument, add symbols = "
        "('BTC-USDT',) (in on_quote)"
    )


def test_class_without_symbols_may_use_the_symbol_of_an_event(tmp_path):
    text = "class Mine(lk.Strategy):\n    def on_quote(self, q):\n        self.buy(q.symbol, 1)\n"
    cls = write_class(tmp_path, text)
    assert build(cls, declare(cls)).addresses["on_quote"]


def test_refusal_in_a_helper_names_the_helpers_line(tmp_path):
    text = """
class Mine(lk.Strategy):
    x: float = 0.0

    def on_quote(self, q):
        self.measure(q)

    def measure(self, event):
        self.x = event.bidprice
"""
    cls = write_class(tmp_path, text, header="import livekit as lk\n")
    with pytest.raises(StrategyError) as caught:
        build(cls, declare(cls))
    assert ".py:10: attribute 'bidprice' of a quote does not exist; did you mean" in str(
        caught.value
    )


def test_recursion_of_methods_is_refused(tmp_path):
    text = """
class Mine(lk.Strategy):
    def on_quote(self, q):
        self.a(1)

    def a(self, n):
        return self.b(n)

    def b(self, n):
        return self.a(n - 1)
"""
    assert refusal_of(tmp_path, text).startswith("'a' calls itself, which compiled code cannot")


def test_recursion_of_functions_is_refused(tmp_path):
    text = """
def again(n):
    return again(n - 1)


class Mine(lk.Strategy):
    def on_quote(self, q):
        again(1)
"""
    assert refusal_of(tmp_path, text).startswith("'again' calls itself, which compiled code cannot")


def test_method_with_star_arguments_is_refused(tmp_path):
    text = "class Mine(lk.Strategy):\n    def on_quote(self, *args):\n        pass\n"
    assert refusal_of(tmp_path, text).startswith("a method with *, *args or **kwargs")


def test_return_of_two_kinds_is_refused(tmp_path):
    text = """
class Mine(lk.Strategy):
    x: float = 0.0

    def on_quote(self, q):
        self.x = self.choose(q)

    def choose(self, q):
        if q.bid_price > 1:
            return q.symbol
        return 1.0
"""
    assert refusal_of(tmp_path, text).startswith(
        "a method returns a float and a symbol; return one kind of value on every path"
    )


def test_value_that_may_be_none_is_refused_for_a_float_field(tmp_path):
    text = """
class Mine(lk.Strategy):
    x: float = 0.0

    def on_quote(self, q):
        self.x = self.choose(q)

    def choose(self, q):
        if q.bid_price > 1:
            return 1.0
"""
    assert refusal_of(tmp_path, text).startswith(
        "self.x is declared float and is assigned a float or None; assign a number, or return one "
        "on every path"
    )


def test_state_that_starts_as_another_kind_is_refused(tmp_path):
    text = """
class Mine(lk.Strategy):
    n: int = 0

    def __init__(self):
        super().__init__()
        self.n = 1.5

    def on_quote(self, q):
        self.n += 1
"""
    cls = write_class(tmp_path, text)
    with pytest.raises(StrategyError, match="state 'n' of strategy 'Mine' starts as 1"):
        Rig(cls, Compiled)


def test_text_that_changed_since_the_import_is_refused(tmp_path):
    text = "class Mine(lk.Strategy):\n    def on_quote(self, q):\n        pass\n"
    cls = write_class(tmp_path, text)
    file = Path(sys.modules[cls.__module__].__file__)
    file.write_text("# a new first line\n" + file.read_text())
    with pytest.raises(StrategyError, match="the text of 'on_quote' was not found"):
        build(cls, declare(cls))
