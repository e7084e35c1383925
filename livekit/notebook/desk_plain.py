"""The dashboard of plain ipywidgets: tables and buttons, where anywidget is missing.

The same views and the same commands, by the kernel's road alone, which its head says.
Tables are strings of HTML that the beat's thread replaces twice a second.
Layer 5.
"""

import functools
import html
import threading
import time
import traceback
from typing import Any, Final

import ipywidgets as widgets  # type: ignore[import-untyped]

from livekit.errors import LivekitError
from livekit.notebook.beating import beat
from livekit.notebook.commanding import Commands
from livekit.notebook.desk_text import amount, duration
from livekit.notebook.hearing import hear_pages
from livekit.notebook.views import EngineView

__all__ = ["PlainDesk"]

_EVERY_S: Final = 0.5
_ARMED_S: Final = 4.0


class PlainDesk(widgets.VBox, Commands):  # type: ignore[misc] # ships no types
    """A live dashboard of plain widgets.

    Parameters
    ----------
    engine : str
    symbol : str
        Instrument of the book; the engine's first by default.
    parts : tuple of str
    why : str
        Why it is not the one with charts.
    """

    def __init__(self, engine: str, symbol: str, parts: tuple[str, ...], why: str) -> None:
        self.engine, self.parts, self.fault = engine, parts, ""
        self._view = EngineView(engine)
        self._symbol = symbol or (self._view.symbols or [""])[0]
        self._drawn_s = self._armed_s = 0.0
        self._params: dict[tuple[str, str], Any] = {}
        self._head, self._said, self._tables = (widgets.HTML() for _ in range(3))
        self._why = why
        self._orders = widgets.Dropdown(description="order", options=[("none open", "")])
        self._sliders = widgets.VBox()
        rows = [self._head, self._buttons(), self._said, self._tables]
        if "orders" in parts:
            cancel = widgets.Button(description="Cancel order")
            cancel.on_click(self._cancel)
            rows.append(widgets.HBox([self._orders, cancel]))
        if "params" in parts:
            rows.append(self._sliders)
        super().__init__(rows)
        hear_pages(self)
        beat.add(id(self), self._beat)

    def close(self) -> None:
        """Stop and take all views away."""
        beat.remove(id(self))
        super().close()

    def _buttons(self) -> widgets.HBox:
        pause = widgets.Button(description="Pause", tooltip="refuse new orders")
        resume = widgets.Button(description="Resume", tooltip="take orders again")
        reduce = widgets.Button(description="Reduce", tooltip="take only orders that reduce")
        self._flatten = widgets.Button(description="Flatten", button_style="warning")
        halt = widgets.Button(description="HALT", button_style="danger")
        for button, verb in (
            (pause, self.pause),
            (resume, self.resume),
            (reduce, self.reduce),
            (halt, self.halt),
        ):
            button.on_click(functools.partial(self._act, button.description, verb))
        self._flatten.on_click(self._arm)
        hidden = {} if "risk" in self.parts else {"display": "none"}
        return widgets.HBox([pause, resume, reduce, self._flatten, halt], layout=hidden)

    # Callbacks: each command in a thread of its own, which says what came of it.

    def _act(self, words: str, verb: Any, *_: Any) -> None:
        threading.Thread(target=self._obey, args=(words, verb), daemon=True).start()

    def _obey(self, words: str, verb: Any) -> None:
        try:
            verb()
            self._say(f"{words}: done")
        except LivekitError as error:
            self._say(f"{words}: {error}")

    def _arm(self, *_: Any) -> None:
        if time.monotonic() - self._armed_s < _ARMED_S:
            self._armed_s, self._flatten.description = 0.0, "Flatten"
            self._act("Flatten", self.flatten)
        else:
            self._armed_s, self._flatten.description = time.monotonic(), "Sure? Flatten"

    def _cancel(self, *_: Any) -> None:
        name, _, order_id = self._orders.value.partition("/")
        if order_id:
            self._act(f"Cancel {order_id}", lambda: self.cancel(name, order_id))

    def _say(self, text: str) -> None:
        self._said.value = f"<div role='status'>{html.escape(text)}</div>"

    # The beat's thread.

    def _beat(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._drawn_s < _EVERY_S:
            return True
        self._drawn_s = now_s
        try:
            self._draw()
        except Exception:  # noqa: BLE001 - a thread that prints writes into whichever cell runs
            self.fault = traceback.format_exc()
        return True

    def _draw(self) -> None:
        view = self._view
        if not view.is_alive:
            view.reopen()
        status, account = view.status(), view.account()
        if self._armed_s and time.monotonic() - self._armed_s > _ARMED_S:
            self._armed_s, self._flatten.description = 0.0, "Flatten"
        self._set(self._head, self._head_html(status, account.head))
        self._set(self._tables, self._tables_html(account))
        options = [
            (f"{o['strategy']} {o['side']} {o['quantity']:g} @ {amount(o['price'])}", _key(o))
            for o in account.orders
        ] or [("none open", "")]
        if list(self._orders.options) != options:
            kept = self._orders.value
            self._orders.options = options
            if kept in [value for _, value in options]:
                self._orders.value = kept
        self._draw_params()

    @staticmethod
    def _set(widget: widgets.HTML, value: str) -> None:
        if widget.value != value:
            widget.value = value

    def _head_html(self, status: dict[str, Any], head: dict[str, Any]) -> str:
        is_old = status["state"] == "gone" or status["heartbeat_ms"] > 2000
        old = (
            f" · <b>silent for {status['heartbeat_ms'] / 1e3:.0f} s: this is old</b>"
            if is_old
            else ""
        )
        why = f" ({html.escape(self._why)})" if self._why else ""
        return (
            f"<b>{html.escape(self.engine)}</b> · {status['state']} · "
            f"{status['venue']} <b>{head['trading']}</b> · "
            f"equity {amount(head['equity'])} · net PnL {amount(head['net_pnl'])} · "
            f"{status['events_in']:,} events{old}<br><small>commands go through the kernel, which "
            f"answers when no cell runs; <code>livekit kill</code> always works{why}</small>"
        )

    def _tables_html(self, account: Any) -> str:
        view, parts = self._view, []
        if {"price", "ladder"} & set(self.parts) and self._symbol:
            market = view.market(self._symbol)
            rows = [[amount(p), f"{s:g}"] for p, s in market.get("asks", [])[::-1]]
            rows += [["<i>spread</i>", ""]]
            rows += [[amount(p), f"{s:g}"] for p, s in market.get("bids", [])]
            last = f"{amount(market.get('bid'))} / {amount(market.get('ask'))}"
            parts.append(_table(f"{self._symbol} {last}", ["price", "size"], rows))
        if "strategies" in self.parts:
            names = ("name", "state", "received", "lag", "dropped", "orders", "fills", "errors")
            rows = [
                [
                    *(str(row[k]) for k in names),
                    *(duration(view.strategies[row["name"]].latency()[p]) for p in ("p50", "p99")),
                ]
                for row in view.strategy_rows()
            ]
            parts.append(_table("strategies", [*names, "p50", "p99"], rows))
        if "positions" in self.parts:
            rows = [
                [
                    *(p["strategy"], p["symbol"], f"{p['position']:g}", amount(p["mark"])),
                    *(amount(p["unrealized_pnl"]), amount(p["net_pnl"])),
                ]
                for p in account.positions
            ]
            heads = ["strategy", "symbol", "position", "mark", "open PnL", "net PnL"]
            parts.append(_table("positions", heads, rows))
        body = "".join(parts)
        return f"<div style='display:flex;flex-wrap:wrap;gap:24px;font-size:12px'>{body}</div>"

    # Parameters.

    def _draw_params(self) -> None:
        if "params" not in self.parts:
            return
        wanted: dict[tuple[str, str], dict[str, Any]] = {}
        for name, one in self._view.strategies.items():
            if not one.gone_at:
                wanted.update({(name, p["name"]): p for p in one.declared() if p["hot"]})
        if set(wanted) != set(self._params):
            self._params = {key: self._slider(key, p) for key, p in wanted.items()}
            self._sliders.children = tuple(self._params.values())
            hear_pages(self._sliders)
        for key, param in wanted.items():
            slider = self._params[key]
            if slider.shown != param["value"]:
                slider.shown = param["value"]
                slider.value = param["value"]

    def _slider(self, key: tuple[str, str], param: dict[str, Any]) -> Any:
        low, high = param["low"], param["high"]
        step = (high - low) / 1000 if low is not None and high is not None else 0.001
        slider = widgets.FloatText(
            value=param["value"],
            step=step,
            description=f"{key[0]}.{key[1]}",
            continuous_update=False,
        )
        slider.shown = param["value"]
        slider.observe(functools.partial(self._change, key, slider), "value")
        return slider

    def _change(self, key: tuple[str, str], slider: Any, change: dict[str, Any]) -> None:
        value = change["new"]
        if value == slider.shown:
            return  # the strategy's own value, written back
        name, param = key
        self._act(f"{name}: {param} = {value:g}", lambda: self.set_params(name, **{param: value}))
        slider.shown = None


def _key(order: dict[str, Any]) -> str:
    return f"{order['strategy']}/{order['order_id']}"


def _table(caption: str, heads: list[str] | tuple[str, ...], rows: list[list[str]]) -> str:
    head = "".join(f"<th scope='col' style='padding:0 8px'>{name}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td style='padding:0 8px'>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    caption = f"<caption style='text-align:left'><b>{caption}</b></caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
