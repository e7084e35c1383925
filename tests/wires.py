"""The engine's side of one strategy inside the test's process: two rings, no segment."""

import time

import numpy as np

from livekit.events import ANY_INSTRUMENT, DTYPES, ORDER, SLOT_BYTES, Action, Kind, OrderStatus
from livekit.instruments import Instrument
from livekit.ring.layout import (
    ORDER_SLOT_BYTES,
    SIDE,
    SIDE_BYTES,
    aligned_zeros,
    fill_side,
    private_ring,
)
from livekit.ring.spsc import pop, push
from livekit.strategy.context import Context
from livekit.strategy.declaration import declare
from livekit.strategy.interpreted import Interpreted
from livekit.strategy.loader import make_instance
from livekit.strategy.table import InstrumentTable

BTC, ETH = 0, 1
INSTRUMENTS = [
    Instrument("BTC-USDT", 0.1, 0.00001, 0.00001),
    Instrument("ETH-USDT", 0.01, 0.0001, 0.0001),
]
T0 = 1_767_571_200_000_000_000
EPOCH = 5


def clock_word():
    """Return what `published` holds now."""
    return time.monotonic_ns() & 0xFFFFFFFF


def make_event(kind, instrument=BTC, **fields):
    """Return one event as a NumPy array of shape (1,) in a slot of its own."""
    slot = aligned_zeros(SLOT_BYTES)
    event = slot[: DTYPES[kind].itemsize].view(DTYPES[kind])
    event["kind"], event["instrument"] = kind, instrument
    for name, value in fields.items():
        event[name] = value
    return event


class Wires:
    """A context whose rings end in this process."""

    def __init__(
        self, params=None, state=None, symbols=(), capacity=1024, orders=1024, instruments=None
    ):
        nothing = np.dtype([], align=True)
        self.context = Context(params or nothing, state or nothing, len(symbols))
        self.instruments = list(instruments or INSTRUMENTS)
        self.table = InstrumentTable(lambda start: self.instruments[start:])
        self.table.follow(self.context)
        self.context.symbols[:] = [self.table.number(symbol) for symbol in symbols]
        self.context.view["epoch"] = EPOCH
        self._producer = aligned_zeros(SIDE_BYTES).view(SIDE)
        self._consumer = aligned_zeros(SIDE_BYTES).view(SIDE)
        self.events = self._ring(self._producer, self.context.events_side, capacity, SLOT_BYTES)
        self.orders = self._ring(self.context.orders_side, self._consumer, orders, ORDER_SLOT_BYTES)
        self.address = self.context.address

    def _ring(self, producer, consumer, capacity, slot_bytes):
        memory = private_ring(producer, capacity, slot_bytes, is_producer=True)
        start = int(memory.ctypes.data)
        fill_side(
            consumer,
            control=start,
            slots=start + 512,
            capacity=capacity,
            slot_bytes=slot_bytes,
            is_producer=False,
        )
        return memory

    def send(self, kind, instrument=BTC, **fields):
        """Push one event, published now."""
        event = make_event(kind, instrument, **fields)
        if kind in (Kind.ORDER, Kind.TRADE):
            event["published"] = clock_word()
        else:
            event["aux"] = clock_word()
        lines = event.itemsize // 64
        assert push(int(self._producer.ctypes.data), int(event.ctypes.data), lines) == 1

    def requests(self):
        """Take what the strategy has asked for, as ORDER records."""
        taken, target = [], aligned_zeros(SLOT_BYTES)
        while pop(int(self._consumer.ctypes.data), int(target.ctypes.data)) == 1:
            taken.append(target[:128].view(ORDER)[0].copy())
        return taken

    def report(self, request, status=OrderStatus.ACCEPTED, last=0.0, reject=0, action=Action.NEW):
        """Push the report of a request, `last` units filled by it."""
        self.send(
            Kind.ORDER,
            int(request["instrument"]),
            side=request["side"],
            order_type=request["order_type"],
            order_id=request["order_id"],
            price=request["price"],
            quantity=request["quantity"],
            filled_quantity=last,
            last_quantity=last,
            last_price=request["price"],
            average_price=request["price"],
            status=status,
            reject=reject,
            action=action,
            ts_event=T0,
        )

    @property
    def queued(self):
        """Events the strategy has not released."""
        words = self.events[:512].view(np.int64)
        return int(words[0] - words[16])


class Desk(Wires):
    """A strategy, interpreted, on such wires."""

    def __init__(self, cls, values=None, *, reads_counts=None, **sizes):
        declaration = declare(cls)
        super().__init__(
            declaration.params_dtype, declaration.state_dtype, declaration.symbols, **sizes
        )
        defaults = {name: param.default for name, param in declaration.params.items()}
        values = defaults | (values or {})
        self.strategy = make_instance(cls, values)
        for name, value in values.items():
            self.context.params[0][name] = value
        self.body = Interpreted(
            self.strategy, declaration, self.context, self.table, reads_counts=reads_counts
        )

    def run(self):
        """Take turns until the events ring is empty, or the strategy has ended."""
        while self.queued and not self.body.failure and not self.body.is_stopped:
            assert self.body.turn() > 0

    def quote(self, bid, ask=None, instrument=BTC, ts=T0, **fields):
        """Push a quote."""
        ask = bid if ask is None else ask
        self.send(
            Kind.QUOTE,
            instrument,
            bid_price=bid,
            ask_price=ask,
            bid_size=1.0,
            ask_size=1.0,
            ts_event=ts,
            **fields,
        )

    def stop(self):
        """Push a STOP."""
        self.send(Kind.STOP, ANY_INSTRUMENT)
