"""The figures that doubt a run: the fan, the other run, the book at its worst fill.

They need more than the run itself, so a report has them where that is given.
Layer 3.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from livekit.research.report.figures_fan import fan_spec
from livekit.research.report.figures_ladder import ladder_spec
from livekit.research.report.figures_overlay import overlay_spec
from livekit.research.report.figures_plot import Plot
from livekit.research.report.identity import first_parting

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["doubts", "worst_fill"]


def doubts(
    run: "Run", *, fan: Any = None, against: "Run | None" = None, data: Any = None
) -> list[Plot]:
    """Return the figures for what is given.

    Parameters
    ----------
    run : Run
    fan : Fan, optional
        From `livekit.fan`.
    against : Run, optional
        The same strategy run elsewhere: its backtest, replay or live run.
    data : Data, optional
        What the run was made of; a ladder of its worst fill is drawn from it.
    """
    made = []
    if fan is not None:
        made.append(_fan(fan))
    if against is not None:
        made.append(_overlay(run, against))
    if data is not None:
        made.append(_ladder(run, data))
    return made


def worst_fill(run: "Run") -> int:
    """Return the fill after which the mid moved furthest against it within 1 s; -1 for none."""
    fills = run.rows.fills
    moved = fills["mid_1s"] - fills["price"]
    against = np.where(fills["side"] == 0, moved, -moved)
    return int(np.nanargmin(against)) if np.isfinite(against).any() else -1


def _fan(fan: Any) -> Plot:
    low, high = fan.band
    text = "; ".join(f"{name} {run.stat('net_pnl'):,.2f}" for name, run in fan.runs.items())
    return Plot(
        "fan",
        "How much hangs on the fills",
        "The same backtest with other assumptions of how resting orders fill, from only when "
        f"the opposite touch comes to always first in the queue: {low:,.2f} to {high:,.2f}.",
        alt=f"net profit {text}",
        spec=fan_spec(fan.runs),
        is_time=True,
        is_wide=True,
    )


def _overlay(run: "Run", against: "Run") -> Plot:
    _, sentence = first_parting(run.rows, against.rows)
    return Plot(
        "overlay",
        f"Against {against.name} ({against.meta.get('kind')})",
        "Both runs over the same time; a dashed line stands where they first part"
        + (f": {sentence}." if sentence else ", and there is none."),
        alt=sentence or "orders and fills are equal to the bit",
        spec=overlay_spec(run, against),
        is_time=True,
        is_wide=True,
    )


def _ladder(run: "Run", data: Any) -> Plot:
    title, chosen = "The book at the worst fill", worst_fill(run)
    if chosen < 0:
        return Plot("ladder", title, "", reason="No fill has a mid one second later.")
    return Plot(
        "ladder",
        title,
        "The fill after which the mid moved furthest against it within a second: what was shown "
        "just before, the own orders, the prints around it.",
        alt=f"fill {chosen} at {run.rows.fills['price'][chosen]:,.10g}",
        spec=ladder_spec(run, data, chosen),
    )
