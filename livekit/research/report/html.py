"""A run as one page: its numbers and figures in a file that needs nothing else.

plotly.js stands in the page once, the figures are JSON beside it, and the page's own
policy forbids it to load anything, so a report opens the same from a disk without a
network, in ten years, and tells nobody that it was opened.
Layer 3.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.errors import ConfigError
from livekit.research.report.figures_plot import CONFIG, Plot, plotly_js, to_json
from livekit.research.report.figures_sections import plots
from livekit.research.report.html_numbers import groups, key_numbers
from livekit.research.report.html_tables import (
    cards,
    escape,
    facts,
    gaps,
    keys,
    subtitle,
    warnings,
)
from livekit.research.report.theme import FONT, css_variables, replacements

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["page", "report"]

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
_SECTIONS: Final = (
    ("Equity and positions", ("overview", "price", "exposure")),
    ("Where the profit came from", ("sources", "attribution")),
    ("Execution", ("markouts", "fill-results", "time-to-fill", "latency")),
    ("Doubts", ("fan", "overlay", "ladder")),
    ("Over time", ("rolling", "period-results", "hours", "months", "activity")),
)


def report(
    run: "Run", path: str | os.PathLike[str], prices: Any = None, *, extra: Sequence[Plot] = ()
) -> Path:
    """Write a run's report: one HTML file that loads nothing.

    Parameters
    ----------
    run : Run
        Of any kind; partial runs are marked as such.
    path : path-like
        The file, replaced if it exists; its folder must.
    prices : pandas.DataFrame, optional
        Mids to draw, as for `figures.overview`.
    extra : sequence of Plot
        Figures from `doubts`.

    Returns
    -------
    Path
        The file: 5 MB for plotly.js and at most some 3 MB for the run.

    Raises
    ------
    ConfigError
        plotly is not installed, or the file cannot be written.
    """
    target = Path(path)
    text = page(run, prices, extra)
    try:
        _replace(target, text)
    except OSError as error:
        raise ConfigError(
            f"report {str(target)!r} cannot be written: {error.strerror or error}; choose "
            "another file"
        ) from error
    return target


def _replace(target: Path, text: str) -> None:
    """Write a file whole or not at all."""
    if target.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent or ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp's files are their owner's alone; a report is for others too.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def page(run: "Run", prices: Any = None, extra: Sequence[Plot] = ()) -> str:
    """Return the text of the report."""
    shown = [*plots(run, prices), *extra]
    script = plotly_js()
    title = escape(run.name)
    named = [(head, found) for head, names in _SECTIONS if (found := _of(shown, names))]
    links = [("numbers", "Key figures"), *((_id(head), head) for head, _ in named)]
    links += [("statistics", "Statistics"), ("run", "The run")]
    navigation = "".join(f'<li><a href="#{at}">{escape(text)}</a></li>' for at, text in links)
    body = "".join(_section(head, found) for head, found in named)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · livekit</title><style>{_style()}</style></head>\n<body>"
        '<a class="skip" href="#numbers">Skip to the key figures</a>'
        f'<header class="wide"><h1>{title}</h1>'
        '<button class="theme" type="button">Light / dark</button>'
        f'<p class="what">{subtitle(run)}</p>{warnings(run)}</header>'
        f'<nav aria-label="Sections"><ul class="wide">{navigation}</ul></nav>'
        '<main class="wide"><noscript><p class="banner">The figures need JavaScript; the '
        "numbers do not.</p></noscript>"
        f'<section id="numbers" aria-label="Key figures"><dl class="keys">{keys(key_numbers(run))}'
        f"</dl></section>{body}"
        f'<section id="statistics"><h2>Statistics</h2><div class="cards">{cards(groups(run))}'
        "</div></section>"
        f'<section id="run"><h2>The run</h2><div class="cards">{facts(run)}{gaps(run)}</div>'
        f'</section></main><footer class="wide">{_foot(run)}</footer>\n'
        + "".join(_data(plot) for plot in shown if plot.spec)
        + _json("swaps", replacements())
        + _json("config", CONFIG)
        + f"<script>{script}</script>\n<script>{_text('html.js')}</script></body></html>\n"
    )


def _of(shown: list[Plot], names: tuple[str, ...]) -> list[Plot]:
    """Return the figures of a section in the order of its names."""
    return [
        plot
        for name in names
        for plot in shown
        if plot.name == name or plot.name.startswith(f"{name}-")
    ]


def _id(head: str) -> str:
    return head.lower().replace(" ", "-")


def _section(head: str, shown: list[Plot]) -> str:
    # The last of an odd number of half figures takes the whole row.
    halves = [plot for plot in shown if not plot.is_wide]
    last = halves[-1] if len(halves) % 2 else None
    made = "".join(_figure(plot, is_wide=plot.is_wide or plot is last) for plot in shown)
    return (
        f'<section id="{_id(head)}"><h2>{escape(head)}</h2><div class="grid">{made}</div></section>'
    )


def _figure(plot: Plot, *, is_wide: bool) -> str:
    name = escape(plot.name)
    top = (
        f'<figure{" class=all" if is_wide else ""} id="{name}"><figcaption><h3>'
        f"{escape(plot.title)}</h3><p>{escape(plot.caption)}</p></figcaption>"
    )
    if plot.spec is None:
        return f'{top}<p class="reason">{escape(plot.reason)}</p></figure>'
    time = ' data-time="yes"' if plot.is_time else ""
    # The height stands before the figure is drawn, so that nothing jumps.
    return (
        f'{top}<div data-plot="data-{name}"{time} role="img" aria-label="'
        f'{escape(f"{plot.title}: {plot.alt}")}" style="min-height:'
        f'{int(plot.spec["layout"]["height"])}px"></div></figure>'
    )


def _data(plot: Plot) -> str:
    name = escape(plot.name)
    return f'<script type="application/json" id="data-{name}">{to_json(plot.spec)}</script>\n'


def _json(name: str, value: Any) -> str:
    text = json.dumps(value).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _foot(run: "Run") -> str:
    version = escape(run.meta.get("version") or "")
    return (
        f"Made by livekit {version} from the run's orders, fills and equity. Times are UTC, money "
        "is quote currency, a dash is a number that is not defined for this run."
    )


def _style() -> str:
    dark = css_variables("dark")
    return (
        f":root{{--font:{FONT};{css_variables('light')}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f":root[data-theme=dark]{{{dark}}}{_text('html.css')}"
    )


def _text(name: str) -> str:
    return files("livekit.research.report").joinpath(name).read_text(encoding="utf-8")
