"""The usual request, from the core's queue to its text in one compiled call.

Nearly always one request waits at a time. Its text is written where it will be sent from,
field by field as `Ticket` phrases it (the tests hold both to the same bytes), and Python's
own part of an order begins when the frame is at the socket: 4 µs in place of 20.
Whatever is not usual (several requests, a price off its tick, a step finer than 1e-15)
writes nothing, and `Outbound` phrases it.
Layer 4. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.events import REDUCE_ONLY, OrderType
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import CANCEL, NEW
from livekit.trading.layout import CORE, ORDER_ROW, SEND, order_at, send_at, to_steps

__all__ = ["HEAD_BYTES", "MAX_TEXT", "TICKET", "write_request"]

MAX_TEXT: Final = 512
"""Bytes that no request's text is longer than."""

HEAD_BYTES: Final = 128
"""Room for what never changes of a request."""

TICKET: Final = np.dtype(
    [
        ("price_unit", "<i8"),  # a tick is unit x 10**-digits
        ("price_digits", "<i8"),
        ("lot_unit", "<i8"),
        ("lot_digits", "<i8"),
        ("is_spot", "<i8"),
        ("is_usual", "<i8"),  # 0: every request of it is phrased in Python
        ("n_name", "<i8"),
        ("n_mode", "<i8"),
        ("name", "u1", (HEAD_BYTES,)),  # {"instIdCode":7
        ("mode", "u1", (HEAD_BYTES,)),  # ,"tdMode":"cash","side":"
    ]
)
"""What orders of one instrument have in common, for `write_request`."""

_BYTE: Final = np.dtype([("byte", "u1")])
_POWERS: Final = np.array([10**n for n in range(16)], np.int64)
_MOST_STEPS: Final = 1 << 50
_CLIENT_ID: Final = int(ORDER_ROW.fields["client_order_id"][1])  # type: ignore[index]
_CLIENT_ID_BYTES: Final = 24
_NAME: Final = int(TICKET.fields["name"][1])  # type: ignore[index]
_MODE: Final = int(TICKET.fields["mode"][1])  # type: ignore[index]
_TICKET_BYTES: Final = TICKET.itemsize
_MARKET: Final = int(OrderType.MARKET)


def _text(words: str) -> np.ndarray:
    return np.frombuffer(words.encode("ascii"), np.uint8).copy()


_ID: Final = _text('{"id":"r')
_OP_NEW: Final = _text('","op":"order","args":[')
_OP_CANCEL: Final = _text('","op":"cancel-order","args":[')
_OP_AMEND: Final = _text('","op":"amend-order","args":[')
_BUY: Final = _text("buy")
_SELL: Final = _text("sell")
_ORD_TYPE: Final = _text('","ordType":"')
_KIND_MARKET: Final = _text("market")
_KIND_LIMIT: Final = _text("limit")
_KIND_IOC: Final = _text("ioc")
_KIND_FOK: Final = _text("fok")
_KIND_POST: Final = _text("post_only")
_SZ: Final = _text('","sz":"')
_CL_ORD_ID: Final = _text('","clOrdId":"')
_FIRST_CL_ORD_ID: Final = _text(',"clOrdId":"')
_QUOTE: Final = _text('"')
_PX: Final = _text(',"px":"')
_TGT_CCY: Final = _text(',"tgtCcy":"base_ccy"')
_REDUCE: Final = _text(',"reduceOnly":true')
_REQ_ID: Final = _text('","reqId":"r')
_NEW_SZ: Final = _text('","newSz":"')
_NEW_PX: Final = _text('","newPx":"')
_CLOSE: Final = _text("}]")
_EXP_TIME: Final = _text(',"expTime":"')
_END: Final = _text("}")


@inner
def _put(at: int, byte: int) -> int:
    record(_BYTE, at).byte = byte
    return at + 1


@hot
def _say(at: int, words: np.ndarray) -> int:
    """Write words; return the address behind them."""
    for i in range(words.size):
        record(_BYTE, at + i).byte = words[i]
    return at + words.size


@inner
def _copy(at: int, source: int, n: int) -> int:
    for i in range(n):
        record(_BYTE, at + i).byte = record(_BYTE, source + i).byte
    return at + n


@hot
def _count(at: int, value: int) -> int:
    """Write a whole number; return the address behind it."""
    n = 1
    while n < 16 and value >= _POWERS[n]:
        n += 1
    if n == 16:
        head = value // _POWERS[15]
        at = _small(at, head)
        value -= head * _POWERS[15]
        n = 15
    return _figures(at, value, n)


@inner
def _small(at: int, value: int) -> int:
    """Write a whole number below 10,000."""
    n = 1
    while value >= _POWERS[n]:
        n += 1
    return _figures(at, value, n)


@hot
def _figures(at: int, value: int, n: int) -> int:
    """Write the last `n` digits of a number, zeros before it."""
    for i in range(n - 1, -1, -1):
        rest = value // 10
        record(_BYTE, at + i).byte = 48 + value - rest * 10
        value = rest
    return at + n


@hot
def _steps(at: int, n: int, unit: int, digits: int) -> int:
    """Write `n` steps of unit x 10**-digits as a plain decimal."""
    whole = n * unit
    head = whole // _POWERS[digits]
    tail = whole - head * _POWERS[digits]
    at = _count(at, head)
    if tail > 0:
        while tail % 10 == 0:
            tail //= 10
            digits -= 1
        at = _figures(_put(at, 46), tail, digits)
    return at


@inner
def _client_id(at: int, order: int) -> int:
    """Write the client order id of an order's row."""
    n = 0
    while n < _CLIENT_ID_BYTES and record(_BYTE, order + _CLIENT_ID + n).byte != 0:
        n += 1
    return _copy(at, order + _CLIENT_ID, n)


@hot
def _kind(at: int, order_type: int, tif: int) -> int:
    """Write what OKX calls the kind of an order."""
    if order_type == _MARKET:
        return _say(at, _KIND_MARKET)
    if tif == 0:
        return _say(at, _KIND_LIMIT)
    if tif == 1:
        return _say(at, _KIND_IOC)
    if tif == 2:
        return _say(at, _KIND_FOK)
    return _say(at, _KIND_POST)


@hot
def _new(at: int, row: int, ticket: int, price: int) -> int:
    """Write the arguments of a new order; `price` in ticks."""
    order, common = record(ORDER_ROW, row), record(TICKET, ticket)
    at = _copy(at, ticket + _MODE, common.n_mode)
    at = _say(at, _SELL) if order.side else _say(at, _BUY)
    at = _kind(_say(at, _ORD_TYPE), i64(order.order_type), i64(order.tif))
    at = _steps(_say(at, _SZ), order.lots, common.lot_unit, common.lot_digits)
    at = _say(_client_id(_say(at, _CL_ORD_ID), row), _QUOTE)
    if order.order_type != _MARKET:
        at = _steps(_say(at, _PX), price, common.price_unit, common.price_digits)
        at = _say(at, _QUOTE)
    elif common.is_spot:
        at = _say(at, _TGT_CCY)
    if order.options & REDUCE_ONLY and not common.is_spot:
        at = _say(at, _REDUCE)
    return at


@hot
def _amend(at: int, row: int, ticket: int, price: int, serial: int) -> int:
    """Write the arguments of a modification; `price` in ticks."""
    order, common = record(ORDER_ROW, row), record(TICKET, ticket)
    at = _client_id(_say(at, _FIRST_CL_ORD_ID), row)
    at = _count(_say(at, _REQ_ID), serial)
    at = _steps(_say(at, _NEW_SZ), order.new_lots, common.lot_unit, common.lot_digits)
    at = _steps(_say(at, _NEW_PX), price, common.price_unit, common.price_digits)
    return _say(at, _QUOTE)


@inner
def _is_within(n: int, unit: int) -> int:
    """Tell whether so many steps are a positive number that is exact as a whole one."""
    return i64(1 <= n <= _MOST_STEPS // unit)


@hot
def write_request(core: int, tickets: int, serial: int, expire_ms: int, at: int) -> int:
    """Write the text of the only request that waits to be sent.

    Parameters
    ----------
    tickets : int
        Address of TICKET[n], by instrument.
    serial : int
        Number of the request; its id is ``r`` and this.
    expire_ms : int
        Time on the exchange's clock after which it is not taken; a cancellation has none.
    at : int
        Address of MAX_TEXT bytes.

    Returns
    -------
    int
        Length of the text, 2**16 times its Action and 2**32 times its instrument, added
        up; 0 for a request that is not of the usual form, and for none or several.
    """
    if record(CORE, core).n_sends != 1:
        return 0
    request = record(SEND, send_at(core, 0))
    row = order_at(core, request.row)
    order = record(ORDER_ROW, row)
    ticket = tickets + i64(order.instrument) * _TICKET_BYTES
    common = record(TICKET, ticket)
    if common.is_usual == 0:
        return 0
    start, price = at, i64(1)
    is_new = request.action == NEW
    if request.action != CANCEL:
        lots = order.lots if is_new else order.new_lots
        value = order.price if is_new else order.new_price
        if not is_new or order.order_type != _MARKET:
            unit = np.float64(common.price_unit)
            price = to_steps(value, unit, np.float64(_POWERS[common.price_digits]))
        if not _is_within(lots, common.lot_unit) or not _is_within(price, common.price_unit):
            return 0
    at = _count(_say(at, _ID), serial)
    if is_new:
        at = _copy(_say(at, _OP_NEW), ticket + _NAME, common.n_name)
        at = _new(at, row, ticket, price)
    elif request.action == CANCEL:
        at = _copy(_say(at, _OP_CANCEL), ticket + _NAME, common.n_name)
        at = _say(_client_id(_say(at, _FIRST_CL_ORD_ID), row), _QUOTE)
    else:
        at = _copy(_say(at, _OP_AMEND), ticket + _NAME, common.n_name)
        at = _amend(at, row, ticket, price, serial)
    at = _say(at, _CLOSE)
    if request.action != CANCEL:
        at = _say(_count(_say(at, _EXP_TIME), expire_ms), _QUOTE)
    n = _say(at, _END) - start
    return n | (request.action << 16) | (i64(order.instrument) << 32)
