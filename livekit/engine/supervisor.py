"""Sees strategies die and hang, and ends those that will not leave.

Two detectors, because each sees what the other cannot: a pidfd is readable within
milliseconds of a death, but a process that is stopped, spins or sleeps in a callback
is alive all the same and shows only in a heartbeat that stands still.

    death   its orders are cancelled, its segment removed
    hang    its orders are cancelled and new ones refused until its heart beats again;
            where the engine waits for its strategies (a lossless replay) a hung one
            would stop everybody, so there it is fenced for good
            Time a process spent runnable but without a core is not held against it:
            on a crowded machine it is the scheduler that is late
    leaving a stopping or fenced strategy gets SIGTERM when its time is over, then SIGKILL
Layer 4.
"""

import logging
import selectors
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from livekit.config import HANG_AFTER_NS
from livekit.engine.strategies import StrategyManager, StrategySlot
from livekit.ring.segment import Phase

__all__ = ["Supervisor"]

_log: Final = logging.getLogger(__name__)

_KILL_AFTER_NS: Final = 1_000_000_000
_STALE_NS: Final = 100_000_000


class Supervisor:
    """Watches the processes of a StrategyManager.

    Parameters
    ----------
    manager : StrategyManager
    selector : selectors.BaseSelector
        The engine's; entries carry a callback as their data.
    on_hang : callable
        Called with (slot, is_hung) when a strategy hangs or comes back.
    """

    def __init__(
        self,
        manager: StrategyManager,
        selector: selectors.BaseSelector,
        on_hang: Callable[[StrategySlot, bool], None],
    ) -> None:
        self._manager, self._selector, self._on_hang = manager, selector, on_hang
        self._signalled: dict[str, int] = {}
        self._stale: dict[str, tuple[int, int]] = {}  # heartbeat, time without a core then
        self.deaths = self.hangs = 0

    def watch(self, slot: StrategySlot) -> None:
        """Begin to watch a strategy that was just registered."""
        self._selector.register(slot.pidfd, selectors.EVENT_READ, lambda: self._died(slot))

    def _died(self, slot: StrategySlot) -> None:
        self._selector.unregister(slot.pidfd)
        self._signalled.pop(slot.name, None)
        self._stale.pop(slot.name, None)
        header = slot.segment.header
        phase = Phase(int(header["phase"]))
        words = header["message"].decode(errors="replace")
        if phase is Phase.STOPPED:
            reason = "stopped"
        elif phase is Phase.FAILED:
            reason = f"failed: {words}"
        else:
            reason = "died without a word"
            self.deaths += 1
        self._manager.unregister_strategy(slot, reason)

    def poll(self, now_ns: int) -> None:
        """Look at every heartbeat and every deadline once."""
        for slot in list(self._manager.slots.values()):
            if slot.is_stopping or slot.is_fenced:
                self._end(slot, now_ns)
            elif slot.is_open:
                self._check_heart(slot, now_ns)

    def _check_heart(self, slot: StrategySlot, now_ns: int) -> None:
        is_hung = self._silence_ns(slot, now_ns) > HANG_AFTER_NS
        if is_hung == slot.is_hung:
            return
        slot.is_hung = is_hung
        _log.warning("strategy %s name=%s", "hangs" if is_hung else "is back", slot.name)
        self.hangs += is_hung
        self._on_hang(slot, is_hung)
        if is_hung and slot.policy == "block":
            self._manager.fence(slot, "it hung while the replay waited for it")

    def _silence_ns(self, slot: StrategySlot, now_ns: int) -> int:
        """Return how long a heart has been silent, without the time it had no core to beat on."""
        heartbeat = int(slot.segment.header["heartbeat"])
        age = now_ns - heartbeat
        if age <= _STALE_NS:
            return age
        seen, waited = self._stale.get(slot.name, (0, 0))
        if seen != heartbeat:
            waited = _waited_ns(slot.pid)
            self._stale[slot.name] = heartbeat, waited
        return age if age <= HANG_AFTER_NS else age - (_waited_ns(slot.pid) - waited)

    def _end(self, slot: StrategySlot, now_ns: int) -> None:
        """Send SIGTERM at the strategy's deadline, SIGKILL a second later."""
        if now_ns < slot.stop_by_ns:
            return
        sent = self._signalled.get(slot.name, 0)
        if sent and now_ns - sent < _KILL_AFTER_NS:
            return
        number = signal.SIGKILL if sent else signal.SIGTERM
        self._signalled[slot.name] = sent or now_ns
        _log.warning("strategy ended by force name=%s signal=%s", slot.name, number.name)
        signal.pidfd_send_signal(slot.pidfd, number)


def _waited_ns(pid: int) -> int:
    """Return how long a process was runnable without running; 0 where nobody counts it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, IndexError):
        return 0
