"""The dashboard as a widget: one object in the kernel, any number of views of it.

The page asks (`ready`, `symbol`, `moment`, `command`), the kernel's beat answers and
sends frames; a callback only puts what it was told on a queue, because it may be called
in any thread. Opening a dashboard again, and reloading the page, gives more views of the
same object. The door's token travels in a message, never in the widget's state, which
a notebook would save.
Layer 5.
"""

import os
import threading
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from livekit.engine.door import read_door
from livekit.errors import LivekitError
from livekit.notebook.beating import beat, idle_clock, is_busy, watch_cells
from livekit.notebook.commanding import COMMANDS, Commands
from livekit.notebook.feeding import Feeding
from livekit.notebook.hearing import hear_pages
from livekit.notebook.palette import desk_palette
from livekit.notebook.views import EngineView

__all__ = ["Desk"]

_STATIC: Final = Path(__file__).parent / "static"
_CHARTS: Final = _STATIC / "lightweight-charts" / "lightweight-charts.standalone.production.js"
_WATCHED_S: Final = 10.0
_UNHEARD_S: Final = 60.0
_RETRY_S: Final = 1.0
_MAX_ASKED: Final = 64


def _script() -> str:
    """Return the page's module: the chart library, which leaves its name on `window`, and ours."""
    own = (_STATIC / "dashboard.js").read_text(encoding="utf-8")
    return f"{_CHARTS.read_text(encoding='utf-8')}\n{own}"


class Desk(anywidget.AnyWidget, Commands):
    """A live dashboard of one engine.

    Parameters
    ----------
    engine : str
    symbol : str
        Instrument of chart, ladder and tape.
    parts : tuple of str

    Attributes
    ----------
    fault : str
        What went wrong in the last frame that could not be made; empty when nothing did.
    n_frames : int
        Frames sent so far.
    """

    _esm = _script()
    _css = (_STATIC / "dashboard.css").read_text(encoding="utf-8")
    engine = traitlets.Unicode().tag(sync=True)
    parts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    palette = traitlets.Unicode().tag(sync=True)

    def __init__(self, engine: str, symbol: str, parts: tuple[str, ...]) -> None:
        self._feeding = Feeding(EngineView(engine), symbol)
        self._asked: deque[dict[str, Any]] = deque(maxlen=_MAX_ASKED)
        self._heard_s = -_WATCHED_S  # on the clock that stands still while a cell runs
        self._shown_s = self._greeted_s = self._looked_s = -_UNHEARD_S
        self._is_heard = False
        self.fault, self.n_frames = "", 0
        super().__init__(engine=engine, parts=list(parts), palette=desk_palette())
        hear_pages(self)
        self.on_msg(self._hear)
        watch_cells()
        beat.add(id(self), self._beat)

    def close(self) -> None:
        """Stop and take all views away."""
        beat.remove(id(self))
        super().close()

    @property
    def is_watched(self) -> bool:
        """Whether a page has said lately that it is there."""
        return idle_clock() - self._heard_s < _WATCHED_S

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self._shown_s, self._is_heard = time.monotonic(), False
        beat.wake()
        return super()._repr_mimebundle_(**options)

    # Any thread.

    def _hear(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if isinstance(message, dict):
            self._asked.append(message)
            beat.wake()

    # The beat's thread.

    def _beat(self) -> bool:
        try:
            self._listen()
            if not (self.is_watched or self._is_unheard()):
                return False
            self._follow_engine()
            self.send(self._feeding.frame())
            self.n_frames += 1
            self.fault = ""
        except Exception:  # noqa: BLE001 - a thread that prints writes into whichever cell runs
            self.fault = traceback.format_exc()
            self._say(f"a frame could not be made: {self.fault.splitlines()[-1]}", "bad")
        return True

    def _is_unheard(self) -> bool:
        """Greet a page that cannot say it is ready, because the cell that shows it still runs."""
        now_s = time.monotonic()
        if self._is_heard or not is_busy() or now_s - self._shown_s > _UNHEARD_S:
            return False
        if now_s - self._greeted_s > _RETRY_S:
            self._greet(is_again=True)
        return True

    def _listen(self) -> None:
        while self._asked:
            message = self._asked.popleft()
            self._heard_s, self._is_heard = idle_clock(), True
            kind = message.get("kind")
            if kind == "ready":
                self._greet()
            elif kind == "symbol":
                self._feeding.choose(str(message.get("symbol")))
                self._greet()
            elif kind == "moment":
                self._show_moment(message)
            elif kind in ("command", "undo"):
                threading.Thread(target=self._obey, args=(message,), daemon=True).start()

    def _greet(self, *, is_again: bool = False) -> None:
        self._greeted_s = time.monotonic()
        greeting = self._feeding.greeting()
        door = read_door(self._feeding.view.folder)
        greeting["door"] = {"url": door[0], "token": door[1]} if door else None
        self.send(greeting | {"is_again": is_again})

    def _follow_engine(self) -> None:
        """Once a second, see whether the engine was started anew, and go on with that one."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _RETRY_S:
            return
        self._looked_s = now_s
        view = self._feeding.view
        if not view.is_alive and view.reopen():
            self._feeding = Feeding(view, self._feeding.symbol)
            self._greet()

    def _show_moment(self, message: dict[str, Any]) -> None:
        at, name = float(message.get("at") or 0.0), str(message.get("name") or "")
        moment = self._feeding.moment(at, name)
        if moment is not None:
            self.send(moment)

    def _say(self, text: str, tone: str) -> None:
        self.send({"kind": "said", "text": text, "tone": tone})

    # A thread for each command, which may take as long as the engine does.

    def _obey(self, message: dict[str, Any]) -> None:
        try:
            if message.get("kind") == "undo":
                done = self.undo_params(str(message.get("name")))
                values = ", ".join(f"{k} = {done['values'][k]:g}" for k in done["before"])
                self._say(f"{done['name']}: {values} again", "good")
                return
            verb, fields = str(message.get("verb")), dict(message.get("fields") or {})
            known = {key: fields[key] for key in ("name", "order_id", "values") if key in fields}
            answer = {"ok": self.command(verb if verb in COMMANDS else "", **known)}
        except LivekitError as error:
            answer = {"error": {"class": type(error).__name__, "message": str(error)}}
            if message.get("kind") == "undo":
                self._say(str(error), "bad")
        self.send({"kind": "answer", "id": message.get("id"), "answer": answer})

    def __repr__(self) -> str:
        return f"<dashboard of engine {self.engine!r}, pid {os.getpid()}: {', '.join(self.parts)}>"
