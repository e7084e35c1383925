"""What a class declares, read from the class alone."""

import math
from math import inf, nan

import numpy as np
import pytest

import livekit.strategy.api as lk
from livekit.config import MAX_STATE_BYTES
from livekit.errors import ConfigError, StrategyError
from livekit.events import Kind
from livekit.strategy.declaration import CALLBACKS, ArrayField, Param, array, declare


class Full(lk.Strategy):
    """Trade something.

    At length.
    """

    symbols = ("BTC-USDT", "ETH-USDT")
    timer = 2.5
    fast = lk.Param(0.1, 0.01, 0.5, hot=True)
    depth = lk.Param(3, 1)
    is_bold = lk.Param(False)

    ema: float = nan
    count: int = 0
    is_long: bool = True
    prices: lk.array(16)
    sizes = lk.array(4, fill=nan)
    name: str = "not state"
    _hidden: float = 2

    def on_quote(self, quote):
        pass


def test_parameters_are_found_with_their_types():
    declaration = declare(Full)
    assert list(declaration.params) == ["fast", "depth", "is_bold"]
    assert declaration.params_dtype == np.dtype(
        [("fast", "<f8"), ("depth", "<i8"), ("is_bold", "?")], align=True
    )
    assert (declaration.params["depth"].low, declaration.params["depth"].high) == (1, inf)


def test_state_is_the_annotated_numbers_and_arrays():
    state = declare(Full).state
    assert {name: (field.code, field.shape) for name, field in state.items()} == {
        "ema": ("<f8", ()),
        "count": ("<i8", ()),
        "is_long": ("?", ()),
        "prices": ("<f8", (16,)),
        "_hidden": ("<f8", ()),
        "sizes": ("<f8", (4,)),
    }
    assert math.isnan(state["sizes"].default)
    assert type(state["_hidden"].default) is float


def test_rest_of_the_declaration():
    declaration = declare(Full)
    assert declaration.name == "Full"
    assert declaration.doc == "Trade something.\n\nAt length."
    assert declaration.symbols == ("BTC-USDT", "ETH-USDT")
    assert declaration.timer_ns == 2_500_000_000
    assert declaration.kinds == 1 << Kind.QUOTE
    assert not declaration.uses_book
    assert not declaration.jit


def test_instance_starts_with_values_of_its_own():
    one, two = Full(), Full()
    one.prices[0] = 5.0
    assert two.prices[0] == 0.0
    assert (one.fast, one.depth, one.is_bold, one.count) == (0.1, 3, False, 0)
    assert math.isnan(one.sizes[3])
    assert vars(one)["fast"] == 0.1


@pytest.mark.parametrize("name", CALLBACKS)
def test_defining_a_callback_subscribes_to_its_kind(name):
    cls = type("Sub", (lk.Strategy,), {name: lambda _self, _event: None})
    assert declare(cls).kinds == 1 << CALLBACKS[name]
    child = type("Child", (cls,), {})
    assert declare(child).kinds == 1 << CALLBACKS[name]


def test_base_class_listens_to_nothing():
    assert declare(lk.Strategy).kinds == 0
    assert declare(lk.Strategy).state == {}


def test_using_the_book_anywhere_subscribes_to_books():
    class Helper(lk.Strategy):
        def on_quote(self, _quote):
            return [self.look(level) for level in range(5)]

        def look(self, level):
            def best():
                return self.book("BTC-USDT").bid_price[level]

            return best()

    class Property(lk.Strategy):
        @property
        def best(self):
            return self.book("BTC-USDT")

    for cls in (Helper, Property):
        assert declare(cls).uses_book
        assert declare(cls).kinds >> Kind.BOOK & 1


def test_subclass_inherits_and_redeclares():
    class Child(Full):
        fast = 0.2
        depth = lk.Param(5, 1, 9)
        count: int = 7
        extra: float

    declaration = declare(Child)
    assert list(declaration.params) == ["depth", "is_bold"]
    assert declaration.params["depth"].default == 5
    assert declaration.state["count"].default == 7
    assert declaration.state["extra"].default == 0.0
    assert declaration.doc == ""
    assert Child().fast == 0.2


def test_annotations_as_text_are_understood():
    namespace = {"lk": lk, "__name__": __name__}
    source = (
        "from __future__ import annotations\n"
        "class Text(lk.Strategy):\n"
        "    x: float = 1.0\n"
        "    n: int = 2\n"
        "    b: bool = True\n"
        "    prices: lk.array(8)\n"
        "    other: dict[str, Missing]\n"
    )
    globals()["lk"] = lk
    exec(compile(source, "text.py", "exec"), namespace)
    assert list(declare(namespace["Text"]).state) == ["x", "n", "b", "prices"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"symbols": "BTC-USDT"}, r"symbols of strategy 'Bad' is 'BTC-USDT', expected a tuple"),
        ({"symbols": ("A", "A")}, "expected a tuple of different instrument names"),
        ({"symbols": (1,)}, "expected a tuple"),
        ({"timer": -1}, r"timer of strategy 'Bad' is -1, expected seconds"),
        ({"timer": "1s"}, "expected seconds"),
        ({"timer": nan}, "expected seconds"),
        ({"__annotations__": {"n": int}, "n": 0.5}, r"state 'n' of strategy 'Bad' starts as 0.5"),
        ({"__annotations__": {"n": int}, "n": None}, "starts as None"),
        ({"__annotations__": {"x": float}, "x": "a"}, "expected number as it is annotated"),
        ({"__annotations__": {"n": int}, "n": inf}, "expected a whole number"),
        ({"big": array(MAX_STATE_BYTES // 8 + 1)}, "at most 262144"),
    ],
)
def test_wrong_declaration_is_refused_with_what_it_was(body, message):
    cls = type("Bad", (lk.Strategy,), {"__module__": __name__, **body})
    with pytest.raises(StrategyError, match=message):
        declare(cls)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 1, 3), "default is 5, expected 1 to 3"),
        ((nan,), "expected a finite number"),
        ((inf,), "expected a finite number"),
        (("x",), "default of a Param is 'x', expected a float, an int or a bool"),
        ((None,), "default of a Param is None"),
    ],
)
def test_wrong_default_of_a_parameter_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Param(*arguments)


def test_parameter_keeps_the_type_of_its_default():
    assert type(Param(5).check("n", 7.0)) is int
    assert type(Param(5.0).check("x", 7)) is float
    assert Param(False).check("b", 1) is True
    with pytest.raises(ConfigError, match=r"n is 7.5, expected a whole number"):
        Param(5).check("n", 7.5)


@pytest.mark.parametrize("length", [0, -1, 2.0, True, "8"])
def test_length_of_an_array_must_be_a_whole_number(length):
    with pytest.raises(ConfigError, match="length of an array"):
        array(length)


def test_declarations_show_themselves():
    assert repr(Param(0.5, 0.0, 1.0, hot=True)) == "Param(0.5, 0.0, 1.0, hot=True)"
    assert repr(ArrayField(4, 0.0)) == "array(4, fill=0.0)"
