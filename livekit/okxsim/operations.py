"""Order operations on a WebSocket: the envelope, its faults, and who speaks first.

Of the reply and the pushes either may come first; here every fifth reply comes last.
Layer 4. One thread.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.trading import answer_of

if TYPE_CHECKING:
    from livekit.okxsim.session import Connection

__all__ = ["run_operation"]

_LATE: Final = 5


async def run_operation(
    connection: "Connection", op: str, request_id: str, request: dict[str, Any]
) -> None:
    """Run an order operation and reply."""
    exchange, started_us = connection.exchange, connection.exchange.world.now_ns() // 1000
    if connection.kind != "private":
        connection.fail(refusal("60028"), request_id)
        return
    if connection.key is None:
        connection.fail(refusal("60011"), request_id)
        return
    if not request_id:
        connection.fail(refusal("60027", "id"))
        return
    slow = exchange.faults.strike("slow", connection=connection.kind, path=op)
    if slow is not None:
        await asyncio.sleep(slow.seconds)
    done = _run(connection, op, request)
    if isinstance(done, Refusal) and done.code == "50036" and slow is not None:
        done = refusal("50037")
    reply = _reply(connection, op, request_id, done, started_us)
    exchange.n_operations += 1
    is_late = exchange.is_quirky and exchange.n_operations % _LATE == 0
    if is_late:
        exchange.pushes.release()
    if exchange.faults.strike("lost", connection=connection.kind, path=op) is None:
        connection.send(reply)
    if not is_late:
        exchange.pushes.release()


def _run(
    connection: "Connection", op: str, request: dict[str, Any]
) -> list[dict[str, str]] | Refusal:
    """Run an operation with its pushes held back; the items, or why nothing is said of them."""
    exchange, faults = connection.exchange, connection.exchange.faults
    assert connection.key is not None
    where = {"connection": connection.kind, "path": op}
    struck = faults.strike("refuse", **where)
    if struck is not None:
        return refusal(struck.code or "60014")
    args = request.get("args")
    if op == "mass-cancel":
        return refusal("51010")
    if not isinstance(args, list):
        return refusal("60013")
    exchange.pushes.hold()
    done = exchange.trading.run(
        op, connection.key, args, by_code=True, expires=str(request.get("expTime") or "")
    )
    struck = faults.strike("timeout", **where)
    if struck is not None:
        return refusal(struck.code or "50004")
    return done


def _reply(
    connection: "Connection",
    op: str,
    request_id: str,
    done: list[dict[str, str]] | Refusal,
    started_us: int,
) -> dict[str, Any]:
    """Return the envelope of a reply."""
    if isinstance(done, Refusal):
        code, text, items = done.code, done.text, []
    else:
        (code, text), items = answer_of(done), done
    return {
        "id": request_id,
        "op": op,
        "code": code,
        "msg": text,
        "inTime": str(started_us),
        "outTime": str(connection.exchange.world.now_ns() // 1000),
        "data": items,
    }
