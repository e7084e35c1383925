"""The engine's front: what it shows, and the roads by which it is commanded.

Everything here is looked after between two turns and none of it waits: the control
socket for programs of the same user, the door for a page in a browser, the steering that
both lead to, and the showing that needs neither.
Layer 4.
"""

import selectors
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from livekit.engine import verbs
from livekit.engine.commands import commands
from livekit.engine.control import ControlServer
from livekit.engine.door import Door
from livekit.engine.folder import CONTROL
from livekit.engine.showing import Showing
from livekit.engine.steering import Steering

if TYPE_CHECKING:
    from livekit.engine.loop import EventEngine

__all__ = ["Front"]


class Front:
    """The front of one engine.

    Parameters
    ----------
    engine : EventEngine
    folder : Path
        The engine's.
    selector : selectors.BaseSelector
        The engine's.
    make_room : callable
        Empties the outbox, so that a request cannot fail.

    Attributes
    ----------
    steering : Steering
    showing : Showing
    control : ControlServer
    door : Door
    """

    def __init__(
        self,
        engine: "EventEngine",
        folder: Path,
        selector: selectors.BaseSelector,
        make_room: Callable[[], None],
    ) -> None:
        self.steering = Steering(engine, make_room)
        self.showing = Showing(engine, self.steering)
        table = commands(engine, self.steering)
        self.control = ControlServer(folder / CONTROL, verbs.table(engine, table), selector)
        self.door = Door(folder, engine.settings.name, table, selector)

    def warm_up(self) -> None:
        """Compile what a look and a command call."""
        self.steering.warm_up()
        self.showing.warm_up()

    def poll(self, now_ns: int) -> None:
        """Look after all of it once."""
        self.steering.poll(now_ns)
        self.door.poll(now_ns)
        self.showing.poll(now_ns)

    def close(self) -> None:
        """Close both roads."""
        self.control.close()
        self.door.close()
