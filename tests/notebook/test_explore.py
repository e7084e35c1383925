"""The explorer: every position is a backtest, and what it says is what `attach` gets."""

import subprocess
import sys

import numpy as np
import pytest

import livekit as lk
from livekit.errors import ConfigError
from livekit.notebook import explore_view, surroundings
from livekit.notebook.controls import Control
from livekit.notebook.rehearsal import choose_sample
from livekit.research.tested import last
from livekit.strategy.declaration import Param

FILE = "strategies/ema_cross.py"


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def data():
    from source import ROOT

    return lk.load(ROOT / "replay_data", symbols="BTC-USDT")["00:00":"12:00"]


@pytest.fixture(scope="module")
def file():
    from source import ROOT

    return ROOT / FILE


def test_run_of_an_explorer_is_the_backtest_with_the_same_settings(data, file):
    explorer = lk.explore(file, data, fast=0.003, taker=0.0001)
    assert explorer.set(fast=0.004).run.meta["params"]["fast"] == 0.004
    sample = explorer.rehearsal.sample
    run = lk.backtest(file, data, fast=0.004, taker=0.0001, sample=sample, jit=True)
    assert explorer.run.hash == run.hash
    assert explorer.run.differences(run) == []
    assert len(run.fills) > 0
    for key in ("net_pnl", "sharpe", "max_drawdown_pct", "n_trades"):
        assert explorer.run.stat(key) == run.stat(key)


def test_interpreted_explorer_gives_the_same_run(data, file):
    part = data["00:00":"05:00"]
    runs = [lk.explore(file, part, jit=jit, fast=0.02).run for jit in (True, False)]
    assert runs[0].hash == runs[1].hash


def test_newest_of_many_values_is_the_one_that_is_shown(data, file):
    explorer = lk.explore(file, data)
    for value in np.linspace(0.001, 0.01, 40):
        explorer.set(fast=float(value))
    assert explorer.run.meta["params"]["fast"] == 0.01
    assert explorer._latest.n_done + explorer._latest.n_dropped <= 41
    assert f"net {explorer.run.stat('net_pnl'):+,.2f}" in explorer.figure


def test_parameter_out_of_range_is_refused_and_nothing_changes(data, file):
    explorer = lk.explore(file, data)
    before = explorer.params
    with pytest.raises(ConfigError, match=r"'fast' is 9.0, expected 0.0001 to 0.5"):
        explorer.set(fast=9, slow=0.001)
    with pytest.raises(ConfigError, match="has no parameter 'fest'; did you mean 'fast'"):
        explorer.set(fest=0.01)
    assert explorer.params == before


def test_data_that_is_none_and_a_symbol_that_is_not_in_it_are_named(data, file):
    with pytest.raises(ConfigError, match=r"data is 'replay', expected recorded data such as"):
        lk.explore(file, "replay")
    with pytest.raises(ConfigError, match="has no symbol 'ETH-USDT'; it has BTC-USDT"):
        lk.explore(file, data, symbol="ETH-USDT")


def test_written_call_is_python_that_attaches_these_very_parameters(data, file):
    import ast

    explorer = lk.explore(file, data, fast=0.003, size=0.05)
    call = ast.parse(explorer.call, mode="eval").body
    given = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    assert given == {**explorer.params, "jit": True}
    assert ast.literal_eval(call.args[0]) == str(file)


def test_kept_run_is_known_as_a_backtest_of_its_code(data, file):
    explorer = lk.explore(file, data, fast=0.003)
    run = explorer.keep()
    tested, newest = last("EmaCross", run.meta["code_hash"])
    assert tested == newest
    assert tested["params"]["fast"] == 0.003
    assert tested["data"]["hash"] == data.hash


def test_explorer_in_plain_python_is_text_with_the_same_numbers(data, file):
    explorer = lk.explore(file, data, fast=0.003)
    text = repr(explorer)
    assert "compiled, equity every" in text
    assert f"{explorer.run.stat('net_pnl'):,.2f}" in text
    assert "change with .set(name=value)" in text


def test_missing_and_old_widgets_are_named_with_the_line_that_mends_it(monkeypatch):
    monkeypatch.setattr(surroundings, "version", lambda _name: "7.6.5")
    said = surroundings.problem_of("ipywidgets")
    assert said.startswith("ipywidgets 7.6.5 is too old; run pip install 'ipywidgets>=8.0'")
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from livekit.notebook.surroundings import problem_of; print(problem_of('ipywidgets'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ipywidgets is not installed; run pip install 'ipywidgets>=8")


def test_sample_is_the_finest_grid_that_a_screen_can_show(data):
    assert choose_sample(data) == "30s"
    assert choose_sample(data["00:00":"00:30"]) == "1s"


# Widgets.


def made(param, value):
    chosen, failed = [], []

    def choose(name, number):
        chosen.append(param.check(name, number))
        control.put(chosen[-1])

    control = Control("p", param, value, choose, failed.append)
    return control, chosen, failed


@pytest.fixture
def kit():
    return pytest.importorskip("ipywidgets", reason="ipywidgets is in the notebook extra")


def test_slider_that_puts_itself_on_its_nearest_step_chooses_nothing(kit):
    control, chosen, _ = made(Param(0.003, 0.0001, 0.5), 0.003)
    assert isinstance(control._slider, kit.FloatLogSlider)
    control._slider.value = 0.003017
    assert chosen == []
    control._slider.value = 0.0050400000001
    assert chosen == [0.00504]
    assert control._field.value == 0.00504


def test_field_takes_a_value_exactly_and_moves_the_slider(kit):
    control, chosen, failed = made(Param(2.0, 0.0, 100.0), 2.0)
    control._field.value = 33.3333333
    assert chosen == [33.3333333]
    assert abs(control._slider.value - 33.3333333) < 0.5
    control._field.value = 101.0
    assert chosen == [33.3333333]
    assert failed == ["p is 101.0, expected 0.0 to 100.0; choose a value in this range"]


@pytest.mark.parametrize(
    ("param", "slider", "field"),
    [
        (Param(True), None, "Checkbox"),
        (Param(5, 1, 9), "IntSlider", "IntText"),
        (Param(5), None, "IntText"),
        (Param(0.5), None, "FloatText"),
        (Param(0.5, 0.0, 1.0), "FloatSlider", "FloatText"),
        (Param(0.5, 0.01, 1.0), "FloatLogSlider", "FloatText"),
    ],
)
def test_control_follows_from_what_the_parameter_declares(kit, param, slider, field):
    control, _, _ = made(param, param.default)
    found = type(control._slider).__name__ if control._slider is not None else None
    assert (found, type(control._field).__name__) == (slider, field)


def test_every_control_of_an_explorer_has_its_name_and_its_range(kit, data, file):
    explorer = lk.explore(file, data)
    view = explorer.view
    labels = {one.description for one in view_parts(view) if getattr(one, "description", "")}
    assert {"fast", "slow", "band_bps", "size", "Write the attach call"} <= labels
    tips = {one.tooltip for one in view_parts(view) if getattr(one, "tooltip", "")}
    assert "fast: 0.0001 to 0.5, may change while it trades" in tips


def view_parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from view_parts(child)


def test_style_has_every_colour_light_and_dark():
    text = explore_view.style()
    used = {part.split(")")[0] for part in text.split("var(--lk-")[1:]}
    for name in used:
        assert text.count(f"--lk-{name}:") == (1 if name == "font" else 2)
