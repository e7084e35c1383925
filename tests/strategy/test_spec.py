"""A strategy as data: parameters from the command line, and the JSON others read."""

import hashlib
import json
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import livekit.strategy.api as lk
from livekit.config import MAX_SPEC_BYTES
from livekit.errors import ConfigError
from livekit.events import Kind
from livekit.strategy.declaration import declare
from livekit.strategy.spec import describe, did_you_mean, parse_params


class Sample(lk.Strategy):
    """Do little.

    Slowly.
    """

    symbols = ("BTC-USDT",)
    size = lk.Param(0.5, 0.1, 2.0, hot=True)
    depth = lk.Param(3, 1)
    is_bold = lk.Param(False)
    ema: float = nan
    prices: lk.array(3)

    def on_quote(self, quote):
        pass


DECLARATION = declare(Sample)


def test_defaults_stand_where_nothing_is_given():
    assert parse_params(DECLARATION, []) == {"size": 0.5, "depth": 3, "is_bold": False}


def test_values_are_read_in_the_type_of_their_parameter():
    values = parse_params(DECLARATION, ["size=1.5", " depth = 7 ", "is_bold=true"])
    assert values == {"size": 1.5, "depth": 7, "is_bold": True}
    assert [type(value) for value in values.values()] == [float, int, bool]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("siez=1", r"'Sample' has no parameter 'siez'; did you mean 'size'\? there is 'size'"),
        ("zzz=1", r"has no parameter 'zzz'; there is 'size', 'depth', 'is_bold'"),
        ("size=3", r"parameter 'size' is 3.0, expected 0.1 to 2.0"),
        ("size=nan", "expected a finite number"),
        ("size=inf", "expected a finite number"),
        ("size=big", r"parameter 'size' is 'big', expected a number"),
        ("depth=2.5", r"parameter 'depth' is '2.5', expected a whole number"),
        ("depth=0", r"parameter 'depth' is 0, expected 1 to inf"),
        ("is_bold=2", "parameter 'is_bold' is 2.0, expected True or False"),
        ("size", r"parameter 'size' is not of the form name=value"),
        ("=3", "not of the form name=value"),
    ],
)
def test_wrong_parameter_is_refused_by_name(pair, message):
    with pytest.raises(ConfigError, match=message):
        parse_params(DECLARATION, [pair])


@given(st.floats(0.1, 2.0), st.integers(1, 2**53))
def test_any_value_in_range_comes_through_unchanged(size, depth):
    values = parse_params(DECLARATION, [f"size={size!r}", f"depth={depth}"])
    assert (values["size"], values["depth"]) == (size, depth)


def test_description_has_what_the_engine_reads(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text("x = 1\n")
    values = parse_params(DECLARATION, ["size=1.5"])
    spec = describe(DECLARATION, values, file=file, is_compiled=False)
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert (spec["class"], spec["mode"], spec["file"]) == ("Sample", "interpreted", str(file))
    assert spec["hash"] == hashlib.sha256(b"x = 1\n").hexdigest()[:16]
    assert (spec["symbols"], spec["kinds"]) == (["BTC-USDT"], 1 << Kind.QUOTE)
    assert spec["params"][0] == {
        "name": "size",
        "value": 1.5,
        "default": 0.5,
        "low": 0.1,
        "high": 2.0,
        "hot": True,
    }
    assert spec["params"][1]["high"] is None
    assert spec["doc"] == "Do little."


def test_dtypes_are_made_again_from_the_description():
    spec = describe(
        DECLARATION, parse_params(DECLARATION, []), file=Path(__file__), is_compiled=True
    )
    assert spec["mode"] == "compiled"
    params = np.dtype([tuple(field) for field in spec["params_dtype"]], align=True)
    state = np.dtype([tuple(field) for field in spec["state_dtype"]], align=True)
    assert params == DECLARATION.params_dtype
    assert state == DECLARATION.state_dtype
    assert (spec["params_bytes"], spec["state_bytes"]) == (params.itemsize, state.itemsize)


def test_description_of_a_large_strategy_fits():
    body = {f"param_{n}": lk.Param(0.5, 0.0, 1.0) for n in range(60)}
    body |= {"__annotations__": {f"field_{n}": float for n in range(100)}}
    declaration = declare(type("Large", (lk.Strategy,), {"__module__": __name__, **body}))
    values = parse_params(declaration, [])
    spec = describe(declaration, values, file=Path(__file__), is_compiled=False)
    assert len(json.dumps(spec)) < MAX_SPEC_BYTES


def test_unknown_name_among_none_says_so():
    assert did_you_mean("x", []) == "there is none"
