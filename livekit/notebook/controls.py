"""A control for each parameter of a strategy, from what its `Param` declares.

    a truth            a box to tick
    between bounds     a slider, by decades where the bounds span some, and a field beside it
    without bounds     a field

The slider is for the hand and the keyboard, two hundred steps from end to end; the field
takes any value exactly. A slider puts itself on its nearest step and says so as if
somebody had moved it: what lies within half a step of the value is that, and no wish.
Layer 5. Needs ipywidgets.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from livekit.errors import LivekitError
from livekit.notebook.surroundings import widgets
from livekit.strategy.declaration import Param

__all__ = ["Control"]

_STEPS: Final = 200
_DECADES: Final = 100.0
"""Ratio of the bounds from which a slider moves by decades."""


class Control:
    """What one parameter is set by.

    Parameters
    ----------
    name : str
    param : Param
    value : float, int or bool
    choose : callable of (name, value)
        Called when somebody chose a value. It raises a LivekitError for one that cannot
        be; the control then stays as it is, for the user to correct.
    fail : callable of str
        Called with what that error says.

    Attributes
    ----------
    box : ipywidgets.Widget
    """

    def __init__(
        self,
        name: str,
        param: Param,
        value: float,
        choose: Callable[[str, float], None],
        fail: Callable[[str], None],
    ) -> None:
        self._name, self._param, self._choose, self._fail = name, param, choose, fail
        self._value = value
        self._is_putting = False
        has_bounds = math.isfinite(param.low) and math.isfinite(param.high)
        self._is_log = has_bounds and param.low > 0 and param.high / param.low >= _DECADES
        self._is_log = self._is_log and param.type is float
        self._step = self._step_of() if has_bounds else 0.0
        self._slider = self._make_slider() if has_bounds and param.type is not bool else None
        self._field = self._make_field()
        self._field.observe(self._typed, "value")
        parts = [self._field]
        if self._slider is not None:
            self._slider.observe(self._slid, "value")
            parts = [self._slider, self._field]
        self.box = widgets().HBox(parts, layout={"width": "23em"})

    def _step_of(self) -> float:
        low, high = self._place(self._param.low), self._place(self._param.high)
        if self._param.type is int:
            return float(max(1, round((high - low) / _STEPS)))
        step = (high - low) / _STEPS
        return step if self._is_log else _round(step, 1) or 1e-9

    def _place(self, value: float) -> float:
        return math.log10(value) if self._is_log else float(value)

    def _make_slider(self) -> Any:
        kit, param = widgets(), self._param
        options: dict[str, Any] = {
            "value": self._value,
            "description": self._name,
            "readout": False,
            "tooltip": self._about(),
            "style": {"description_width": "6.5em"},
            "layout": {"width": "16em"},
        }
        low, high = self._place(param.low), self._place(param.high)
        if self._is_log:
            return kit.FloatLogSlider(base=10, min=low, max=high, step=self._step, **options)
        if param.type is int:
            return kit.IntSlider(min=int(low), max=int(high), step=int(self._step), **options)
        return kit.FloatSlider(min=low, max=high, step=self._step, **options)

    def _make_field(self) -> Any:
        kit, kind = widgets(), self._param.type
        options: dict[str, Any] = {"value": self._value, "tooltip": self._about()}
        if self._slider is None:
            options |= {"description": self._name, "style": {"description_width": "6.5em"}}
        if kind is bool:
            return kit.Checkbox(indent=True, layout={"width": "16em"}, **options)
        make = kit.IntText if kind is int else kit.FloatText
        width = "6.4em" if self._slider is not None else "14em"
        return make(layout={"width": width}, **options)

    def _about(self) -> str:
        param = self._param
        live = ", may change while it trades" if param.hot else ""
        return f"{self._name}: {param.low:g} to {param.high:g}{live}"

    def put(self, value: float) -> None:
        """Show a value that was chosen elsewhere."""
        self._value, self._is_putting = value, True
        try:
            if self._field.value != value:
                self._field.value = value
            if self._slider is not None and self._is_moved(self._slider.value):
                self._slider.value = value
        finally:
            self._is_putting = False

    def _is_moved(self, value: float) -> bool:
        """Tell whether a slider's place means another value than the one there is."""
        away = abs(self._place(value) - self._place(self._value))
        return away > 0.501 * self._step

    def _slid(self, change: dict[str, Any]) -> None:
        if not self._is_putting and self._is_moved(change["new"]):
            self._take(self._of_slider(change["new"]))

    def _typed(self, change: dict[str, Any]) -> None:
        if not self._is_putting and change["new"] != self._value:
            self._take(change["new"])

    def _of_slider(self, value: float) -> float:
        """Return a slider's value without its noise (2.5000000000000004), inside the bounds."""
        param = self._param
        if param.type is int:
            return int(value)
        value = _round(value, 3 if self._is_log else 6)
        return min(max(value, float(param.low)), float(param.high))

    def _take(self, value: float) -> None:
        try:
            self._choose(self._name, value)
        except LivekitError as error:
            self._fail(str(error))


def _round(value: float, digits: int) -> float:
    """Return a number with so many significant digits."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))
