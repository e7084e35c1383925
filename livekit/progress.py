"""Progress of long work, in a terminal and in a notebook, from one place.

    with Progress(total, "backtest EmaCross", unit="events") as progress:
        progress.update(done)

Backtests, sweeps, engines, importers, the generator and the checker all show it by this.

Nothing shows before half a second has passed, and nothing at all where nobody looks: a
terminal that is none, a test, a worker process. In a notebook it is one line of HTML,
updated in place; no thread, no widget, no event loop is involved.
Layer 0.
"""

import html
import sys
import time
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Progress", "in_notebook"]

_DELAY_S: Final = 0.5
_INTERVAL_S: Final = 0.15


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class Progress:
    """A bar that shows how far work has come, how fast it goes and when it ends.

    Parameters
    ----------
    total : int
        What `update` counts up to; 0 where only the work will know.
    label : str
    unit : str
        What is counted, in the plural.
    is_shown : bool, optional
        Whether to show it; by default in a notebook and in a terminal.
    """

    def __init__(
        self, total: int, label: str, unit: str = "events", *, is_shown: bool | None = None
    ) -> None:
        self._total, self._label, self._unit = max(total, 1), label, unit
        if is_shown is None:
            is_shown = in_notebook() or sys.stderr.isatty()
        self._is_shown = is_shown
        self._start_s = self._looked_s = time.monotonic()
        self._view: _Terminal | _Notebook | None = None
        self._done = 0

    def update(self, done: int, note: str = "", *, total: int = 0) -> None:
        """Say how much is done, what else is worth saying, and of how much where that changed."""
        self._done, self._total = done, total or self._total
        now_s = time.monotonic()
        if not self._is_shown or now_s - self._looked_s < _INTERVAL_S:
            return
        if self._view is None:
            if now_s - self._start_s < _DELAY_S:
                return
            self._view = _Notebook(self._label) if in_notebook() else _Terminal(self._label)
        self._looked_s = now_s
        self._view.show(min(done / self._total, 1.0), self._text(now_s, note))

    def _text(self, now_s: float, note: str) -> str:
        seconds = max(now_s - self._start_s, 1e-9)
        rate = self._done / seconds
        left = max(self._total - self._done, 0) / rate if rate > 0 else float("nan")
        parts = [f"{_short(self._done)} of {_short(self._total)} {self._unit}"]
        parts.append(f"{_short(rate)}/s")
        if left == left and left < 1e6:  # NaN before anything is done  # noqa: PLR0124
            parts.append(f"{left:.0f} s left" if left >= 1 else "nearly done")
        return " · ".join([*parts, note] if note else parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._view is not None:
            self._view.close(self._text(time.monotonic(), "stopped" if kind else ""))


def _short(number: float) -> str:
    """Return a number as a person reads it: 491 K, 3.0 M."""
    for limit, name in ((1e9, " G"), (1e6, " M"), (1e4, " K")):
        if number >= limit:
            scaled = number / (limit if limit != 1e4 else 1e3)
            return f"{scaled:.1f}{name}" if scaled < 100 else f"{scaled:.0f}{name}"
    return f"{number:.0f}"


class _Terminal:
    """One line of rich's, on standard error."""

    def __init__(self, label: str) -> None:
        from rich.console import Console  # noqa: PLC0415 - only who sees a bar pays for it
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            auto_refresh=False,  # no thread: interrupting must find the work, not the bar
            transient=True,
        )
        self._task = self._bar.add_task(label, total=1.0, text="")
        self._bar.start()

    def show(self, fraction: float, text: str) -> None:
        self._bar.update(self._task, completed=fraction, text=text)
        self._bar.refresh()

    def close(self, text: str) -> None:
        self._bar.update(self._task, text=text)
        self._bar.stop()


class _Notebook:
    """One line of HTML under the cell."""

    def __init__(self, label: str) -> None:
        from IPython.display import HTML, display  # noqa: PLC0415

        self._html, self._label = HTML, html.escape(label)
        self._handle: Any = display(self._html(self._line(0.0, "")), display_id=True)

    def _line(self, fraction: float, text: str) -> str:
        return (
            f'<div style="font: 13px/1.6 system-ui"><label>{self._label} '
            f'<progress max="1" value="{fraction:.4f}" style="width: 18em; vertical-align: middle">'
            f"</progress></label> {fraction:.0%} · {html.escape(text)}</div>"
        )

    def show(self, fraction: float, text: str) -> None:
        self._handle.update(self._html(self._line(fraction, text)))

    def close(self, text: str) -> None:
        self._handle.update(self._html(f"<small>{self._label}: {html.escape(text)}</small>"))
