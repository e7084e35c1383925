"""`livekit verify`: what it prints, and the codes it ends with."""

import json
from pathlib import Path

import pytest

from livekit.cli.main import main

ROOT = Path(__file__).parents[2]
EMA = ROOT / "strategies" / "ema_cross.py"

CHEAT = """
import livekit as lk

class Cheat(lk.Strategy):
    symbols = ("BTC-USDT",)
    last: float = 0.0

    def on_start(self):
        self.last = float(lk.load({root!r}).frame("BTC-USDT", "quote")["bid_price"].iloc[-1])

    def on_quote(self, quote):
        pass
"""
MOODY = """
import random
import livekit as lk

class Moody(lk.Strategy):
    symbols = ("BTC-USDT",)

    def on_quote(self, quote):
        if random.random() > 0.99:
            self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)
"""


@pytest.fixture
def verify(capsys, recording):
    def verify(check, file, *arguments):
        words = ["verify", check, str(file), "--data", str(recording), *map(str, arguments)]
        code = main(words)
        return (code, *capsys.readouterr())

    return verify


def test_honest_strategy_passes_both_checks(verify):
    code, out, err = verify("lookahead", EMA, "--events", 1000, "--points", 2, "--no-jit")
    assert (code, err) == (0, "")
    assert "ok, lookahead: nothing that comes later changes its state or orders" in out
    code, out, err = verify("determinism", EMA, "--events", 1000, "--no-jit", "--json")
    document = json.loads(out)
    assert (code, err, document["is_ok"], document["events"]) == (0, "", True, 1000)


def test_cheat_and_moody_end_with_1_and_say_why(verify, tmp_path, recording):
    cheat, moody = tmp_path / "peeking.py", tmp_path / "moody.py"
    cheat.write_text(CHEAT.replace("{root!r}", repr(str(recording))))
    moody.write_text(MOODY)
    code, out, _ = verify("lookahead", cheat, "--events", 1000, "--no-jit")
    assert code == 1
    assert "NOT OK, lookahead: it knows what has not happened yet: after event" in out
    assert "'last'" in out
    code, out, _ = verify("determinism", moody, "--events", 1000, "--no-jit", "--json")
    document = json.loads(out)
    assert (code, document["is_ok"]) == (1, False)
    assert document["suspects"][0].startswith("moody.py:2: random")


WRONG = {
    "no such file": ("lookahead", "nowhere.py", (), 2, "does not exist"),
    "no such parameter": ("lookahead", EMA, ("--param", "x=1"), 4, "no parameter 'x'"),
    "no such data": ("determinism", EMA, ("--data", "nowhere"), 2, "does not exist"),
    "one event": ("lookahead", EMA, ("--events", "1"), 4, "n_events is 1"),
    "no points": ("lookahead", EMA, ("--points", "0"), 4, "n_points 0"),
    "fewer than no events": ("determinism", EMA, ("--events", "-1"), 4, "n_events is -1"),
    "no such queue": ("determinism", EMA, ("--queue", "none"), 4, "queue model"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_has_its_code_and_one_sentence(what, verify, tmp_path, monkeypatch):
    check, file, arguments, expected, message = WRONG[what]
    monkeypatch.chdir(tmp_path)
    code, out, err = verify(check, file, *arguments)
    assert (code, out, err.count("\n")) == (expected, "", 1), err
    assert message in err
    code, out, err = verify(check, file, *arguments, "--json")
    assert (code, err, json.loads(out)["error"]["exit_code"]) == (expected, "", expected)
