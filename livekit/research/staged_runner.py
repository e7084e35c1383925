"""The interpreted runner over staged batches: it may end a batch early, at the event in hand.

Layer 3.
"""

from typing import Any

from livekit.events import Kind
from livekit.strategy.interpreted import Interpreted

__all__ = ["Staged"]


class Staged(Interpreted):
    """The interpreted runner over batches that are put into its pool from outside."""

    _batch: list[Any]
    _may_cut = False
    is_interrupted = False

    @property
    def pool(self) -> Any:
        """The objects of a batch."""
        return self._pool

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the strategy's object that are not livekit's."""
        own = vars(self._strategy).items()
        return {name: value for name, value in own if not name.startswith("_")}

    def handle(self, *, may_cut: bool) -> int:
        """Call the callbacks of the listed events.

        Returns the place of the event whose callback sent the first request, where
        that ends the batch; else -1.
        """
        pool = self._pool
        words = pool.words
        listed, kind = words[pool.LISTED], words[pool.KIND]
        if listed == 0:
            return -1
        self._listed, self._cut_at, self._may_cut = listed, -1, may_cut
        if kind:
            base = pool.base(kind)
            self._batch = pool.flat[base : base + listed]
            self._iterator = iter(self._batch)
            self._call_each(self._takers[Kind(kind)])
        else:
            self._batch = pool.indices[:listed].tolist()
            self._iterator = iter(self._batch)
            self._call_mixed()
        self._handled += self._listed
        if self._cut_at >= 0:
            words[pool.NOW] = pool.times[self._cut_at]
        self._may_cut = False
        self._batch = []
        self._rest()
        pool.recycle()
        return self._cut_at

    def _end_batch(self) -> None:
        """Let the batch end with the event being handled: what it does comes before the next."""
        if self._may_cut and self._cut_at < 0:
            index = max(self._index(), 0)
            del self._batch[index + 1 :]
            self._listed, self._cut_at = index + 1, index

    def interrupt(self) -> None:
        """Handle no event after the one in hand; from a signal's handler."""
        self.is_interrupted = True
        self._end_batch()

    def _is_over(self, error: BaseException) -> bool:
        """Log an exception of a callback, and tell whether it ends the strategy, or the run."""
        if isinstance(error, KeyboardInterrupt):
            self.interrupt()
            return True
        is_over = super()._is_over(error)
        if is_over:
            self._end_batch()
        return is_over

    def new(
        self, symbol: str, side: int, quantity: float, price: float | None, tif: int, options: int
    ) -> int:
        """See Host."""
        order_id = super().new(symbol, side, quantity, price, tif, options)
        self._end_batch()
        return order_id

    def modify(self, order_id: int, quantity: float | None, price: float | None) -> int:
        """See Host."""
        done = super().modify(order_id, quantity, price)
        self._end_batch()
        return done

    def cancel(self, order_id: int) -> int:
        """See Host."""
        done = super().cancel(order_id)
        self._end_batch()
        return done

    def cancel_all(self, symbol: str | None) -> int:
        """See Host."""
        done = super().cancel_all(symbol)
        self._end_batch()
        return done

    def close(self, symbol: str) -> int:
        """See Host."""
        done = super().close(symbol)
        self._end_batch()
        return done
