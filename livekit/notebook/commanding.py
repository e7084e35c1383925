"""Commands from a notebook: the kernel's road to the engine, over its control socket.

The same commands as `livekit pause` and its like, with the same answers. The dashboard's
page has a second road that does not pass the kernel (engine/door).
Layer 5.
"""

from typing import Any, Final

from livekit.config import check_name
from livekit.engine.audit import read_audit
from livekit.engine.client import call
from livekit.engine.folder import require_running
from livekit.errors import ConfigError, NotFoundError
from livekit.ring.segment import Segment

__all__ = ["COMMANDS", "Commander", "Commands"]

COMMANDS: Final = ("pause", "reduce", "resume", "kill", "flatten", "cancel", "params")
"""What a page may ask of the engine."""


class Commands:
    """The commands of an engine, for whatever knows its name.

    Attributes
    ----------
    engine : str
    """

    engine: str

    def pause(self) -> dict[str, Any]:
        """Refuse new orders from now on; what rests stays."""
        return self.command("pause")

    def reduce(self) -> dict[str, Any]:
        """Admit only orders that bring a position nearer to zero."""
        return self.command("reduce")

    def resume(self) -> dict[str, Any]:
        """Admit all orders again."""
        return self.command("resume")

    def halt(self) -> dict[str, Any]:
        """Cancel every order and refuse all new ones until the engine is started again."""
        return self.command("kill")

    def flatten(self) -> dict[str, Any]:
        """Cancel every order and close every position."""
        return self.command("flatten")

    def cancel(self, name: str, order_id: int | str | None = None) -> dict[str, Any]:
        """Cancel one order of a strategy, or all of them."""
        fields: dict[str, Any] = {"name": name}
        if order_id is not None:
            fields["order_id"] = int(order_id)
        return self.command("cancel", **fields)

    def set_params(self, name: str, **values: float) -> dict[str, Any]:
        """Change hot parameters of a running strategy, from its next event on.

        Raises
        ------
        ConfigError
            One is unknown, not hot, or out of its range.
        """
        return self.command("params", name=name, values=values)

    def undo_params(self, name: str) -> dict[str, Any]:
        """Take back the last change of a strategy's parameters.

        Raises
        ------
        NotFoundError
            Nothing was changed, or all changes are taken back.
        """
        undone, life = 0, self._life(name)
        for line in reversed(read_audit(self.engine, 1000)):
            if (line.get("verb"), line.get("name"), line.get("life")) != ("params", name, life):
                continue
            if line.get("undo"):
                undone += 1
            elif undone:
                undone -= 1
            else:
                return self.command("params", name=name, values=line["before"], undo=True)
        raise NotFoundError(f"no change of the parameters of {name!r} is left to take back")

    def _life(self, name: str) -> str:
        """Return which attachment of a strategy this is: changes of another are not undone."""
        path = require_running(self.engine) / check_name(name, "strategy")
        segment = Segment.attach(path)
        return f"{int(segment.file.prefix['generation'])}-{int(segment.header['epoch'])}"

    def command(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Send one command and return what it did.

        Raises
        ------
        ConfigError
            There is no such command, or the engine refused it.
        NotRunningError
            The engine does not run.
        """
        if verb not in COMMANDS:
            raise ConfigError(f"command {verb!r} is unknown; known are {', '.join(COMMANDS)}")
        return call(self.engine, verb, timeout_s=5.0, **fields)


class Commander(Commands):
    """Commands one engine.

    Parameters
    ----------
    engine : str
    """

    def __init__(self, engine: str) -> None:
        self.engine = engine
