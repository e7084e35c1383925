"""The explorer as a widget: sliders on the left, figure and numbers on the right.

Plain ipywidgets: the figure is text that the page shows as it is, so nothing but the
notebook itself is needed, in JupyterLab, Notebook and Voila, without a network.
Layer 5. Needs ipywidgets.
"""

import html
from typing import TYPE_CHECKING, Any, Final

from livekit.notebook.controls import Control
from livekit.notebook.hearing import hear_pages
from livekit.notebook.surroundings import widgets
from livekit.research.report.theme import DARK, FONT, LIGHT

if TYPE_CHECKING:
    from livekit.notebook.explore import Explorer

__all__ = ["ExploreView", "style"]

_RULES: Final = """
.lk-explore{font-family:var(--lk-font);color:var(--lk-ink);background:var(--lk-card);
 border:1px solid var(--lk-line);border-radius:8px;padding:12px}
.lk-explore .widget-label,.lk-explore label{color:var(--lk-ink)}
.lk-explore input[type=number]{color:var(--lk-ink);background:var(--lk-page);
 border-color:var(--lk-line)}
.lk-explore .widget-html-content{line-height:1.4}
.lk-head{font-size:13px;color:var(--lk-muted)} .lk-head b{color:var(--lk-ink)}
.lk-figure{width:100%;height:auto;display:block}
.lk-figure text{font-family:var(--lk-font)}
.lk-title{font-size:12.5px;font-weight:600;fill:var(--lk-ink)}
.lk-value{font-size:12.5px;fill:var(--lk-ink);font-variant-numeric:tabular-nums}
.lk-tick{font-size:11px;fill:var(--lk-muted);font-variant-numeric:tabular-nums}
.lk-grid{stroke:var(--lk-grid);stroke-width:1}
.lk-line{fill:none;stroke-width:1.4;stroke-linejoin:round}
.lk-area{opacity:.18;stroke:none} .lk-mark{stroke:var(--lk-card);stroke-width:.6}
.lk-figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(15em,1fr));gap:2px 18px}
.lk-cell{display:flex;justify-content:space-between;font-size:12px;border-bottom:1px solid
 var(--lk-grid);padding:2px 0} .lk-cell span{color:var(--lk-muted)}
.lk-cell b{font-weight:600;font-variant-numeric:tabular-nums}
.lk-said{font-size:12px;color:var(--lk-muted)} .lk-bad{color:var(--lk-drawdown);font-weight:600}
.lk-code textarea{font-family:ui-monospace,Menlo,Consolas,monospace!important;font-size:12px;
 color:var(--lk-ink)!important;background:var(--lk-page)!important}
"""

# ipywidgets gives the handle of a slider no name, so a screen reader would say "slider". And
# Notebook 7 takes arrow keys and Enter for its cells from whatever has the focus, unless that
# element itself says otherwise.
_MENDED: Final = (
    "const box = this.closest('.lk-explore');"
    "const mend = () => {"
    "for (const one of box.querySelectorAll('.noUi-handle:not([aria-label])'))"
    " one.setAttribute('aria-label',"
    " one.closest('.widget-slider').querySelector('.widget-label').textContent);"
    "for (const one of box.querySelectorAll('.noUi-handle, input, button, textarea'))"
    " one.dataset.lmSuppressShortcuts = 'true'};"
    "mend(); new MutationObserver(mend).observe(box, {childList: true, subtree: true})"
)


def style() -> str:
    """Return the explorer's style, light, and dark where the page is."""
    light = "".join(f"--lk-{name}:{color};" for name, color in LIGHT.items())
    dark = "".join(f"--lk-{name}:{color};" for name, color in DARK.items())
    places = (
        'body[data-jp-theme-light="false"] .lk-explore,body.theme-dark .lk-explore,'
        "body.vscode-dark .lk-explore"
    )
    font = FONT.replace('"', "'")
    start = f'<style onload="{_MENDED}">'
    return f"{start}.lk-explore{{{light}--lk-font:{font}}}{places}{{{dark}}}{_RULES}</style>"


class ExploreView:
    """The widget of one explorer; any number of views of it may be open.

    Parameters
    ----------
    explorer : Explorer

    Attributes
    ----------
    box : ipywidgets.Box
    """

    def __init__(self, explorer: "Explorer") -> None:
        kit = widgets()
        self._explorer = explorer
        self._declared = explorer.rehearsal.declaration.params
        self._controls = {
            name: Control(name, param, explorer.params[name], self._choose, self._fail)
            for name, param in self._declared.items()
        }
        self._figure, self._table, self._said = kit.HTML(), kit.HTML(), kit.HTML()
        self._code = kit.Textarea(
            rows=4, layout={"width": "23em", "display": "none"}, placeholder="the call"
        )
        self._code.add_class("lk-code")
        self.box = self._laid_out(kit)
        hear_pages(self.box)
        explorer.wait(0.0)
        self.show()

    def _laid_out(self, kit: Any) -> Any:
        explorer = self._explorer
        name, _, rest = explorer.heading.partition(" · ")
        head = kit.HTML(
            f'{style()}<div class="lk-head"><b>{html.escape(name)}</b> · {html.escape(rest)}</div>'
        )
        write = kit.Button(
            description="Write the attach call",
            tooltip="write the line that attaches the strategy with these parameters",
            layout={"width": "23em"},
        )
        write.on_click(lambda _button: self._write())
        reset = kit.Button(
            description="Back to the defaults",
            tooltip="set every parameter to what the class declares",
            layout={"width": "23em"},
        )
        reset.on_click(lambda _button: self._reset())
        left = kit.VBox(
            [*(one.box for one in self._controls.values()), reset, write, self._code, self._said],
            layout={"flex": "0 0 auto", "margin": "0 16px 0 0"},
        )
        right = kit.VBox([self._figure, self._table], layout={"flex": "1 1 560px", "width": "100%"})
        body = kit.HBox([left, right], layout={"flex_flow": "row wrap", "width": "100%"})
        box = kit.VBox([head, body])
        box.add_class("lk-explore")
        return box

    def _choose(self, name: str, value: float) -> None:
        self._explorer.set(**{name: value})

    def _fail(self, problem: str) -> None:
        self._said.value = f'<div class="lk-bad">{html.escape(problem)}</div>'

    def follow(self, values: dict[str, float]) -> None:
        """Put the controls where the parameters are."""
        for name, value in values.items():
            self._controls[name].put(value)

    def show(self) -> None:
        """Show the explorer's last run; from its thread."""
        explorer = self._explorer
        if explorer.problem:
            self._fail(explorer.problem)
            return
        if not explorer.figure:
            self._said.value = '<div class="lk-said">running …</div>'
            return
        self.show_figure()
        self._table.value = explorer.table
        why = explorer.rehearsal.why_not
        slow = f"<br>not compiled: {html.escape(why)}" if why else ""
        self._said.value = (
            f'<div class="lk-said">a backtest of {explorer.rehearsal.data.n_events:,} events, '
            f"drawn after {explorer.took_s * 1e3:.0f} ms{slow}</div>"
        )

    def show_figure(self) -> None:
        """Show the figure of the explorer's last run."""
        explorer = self._explorer
        self._figure.value = explorer.figure.replace(
            "<svg ", f'<svg data-n="{explorer.n_updates}" ', 1
        )

    def show_progress(self, fraction: float) -> None:
        """Say how far a slow run is."""
        self._said.value = f'<div class="lk-said">running, {fraction:.0%}</div>'

    def _write(self) -> None:
        self._code.value = self._explorer.call
        self._code.layout.display = None

    def _reset(self) -> None:
        self._explorer.set(**{name: param.default for name, param in self._declared.items()})
