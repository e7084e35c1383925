"""The port: REST under /api/v5, WebSockets under /ws/v5, and /sim/fault.

Layer 4.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import WSCloseCode, web

from livekit.errors import ConfigError
from livekit.okxsim.accounts import Key
from livekit.okxsim.auth import check_rest
from livekit.okxsim.call import Call
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.rest_account import ACCOUNT_ROUTES
from livekit.okxsim.rest_public import PUBLIC_ROUTES
from livekit.okxsim.rest_trade import ORDER_ROUTES, TRADE_ROUTES
from livekit.okxsim.session import Connection
from livekit.okxsim.trading import answer_of

if TYPE_CHECKING:
    from livekit.okxsim.exchange import Exchange

__all__ = ["make_app"]

_KINDS: Final = ("public", "private", "business")
_MAX_FRAME: Final = 1 << 20
_CONNECTIONS: Final = (3, 1000)
_PRIVATE: Final = {**ACCOUNT_ROUTES, **TRADE_ROUTES}
_STATUS: Final = {"50011": 429, "50001": 503, "50013": 429, "50026": 500, "50004": 400}
_AUTH: Final = frozenset({str(code) for code in range(50100, 50122)})


def make_app(exchange: "Exchange") -> web.Application:
    """Return the application of an exchange."""
    app = web.Application(client_max_size=_MAX_FRAME)

    async def rest(request: web.Request) -> web.StreamResponse:
        return await _rest(exchange, request)

    async def socket(request: web.Request) -> web.StreamResponse:
        return await _socket(exchange, request)

    async def fault(request: web.Request) -> web.StreamResponse:
        return await _fault(exchange, request)

    app.router.add_route("*", "/api/v5/{path:.*}", rest)
    app.router.add_get("/ws/v5/{kind}", socket)

    async def listing(request: web.Request) -> web.StreamResponse:
        return await _listing(exchange, request)

    app.router.add_post("/sim/fault", fault)
    app.router.add_post("/sim/listing", listing)
    return app


async def _socket(exchange: "Exchange", request: web.Request) -> web.StreamResponse:
    """Serve a WebSocket."""
    kind = request.match_info["kind"]
    if kind not in _KINDS:
        return web.Response(status=404)
    name = ("connect", str(request.remote))
    if not exchange.rates.spend_of(_CONNECTIONS, name, exchange.world.now_ms()):
        return web.Response(status=429, text="too many connections")
    # autoping stays on: it is the WebSocket's own, beside OKX's text ping.
    socket = web.WebSocketResponse(max_msg_size=_MAX_FRAME, compress=False)
    await socket.prepare(request)
    connection = Connection(exchange, socket, kind, exchange.next_connection())
    exchange.connections.add(connection)
    try:
        await connection.run()
    finally:
        exchange.connections.discard(connection)
        if not socket.closed:
            await socket.close(code=WSCloseCode.GOING_AWAY)
    return socket


def _envelope(code: str, text: str, rows: list[Any], **more: str) -> web.Response:
    """Return an answer; rejects of orders are HTTP 200."""
    body = msgspec.json.encode({"code": code, "msg": text, "data": rows, **more})
    status = 401 if code in _AUTH else _STATUS.get(code, 200)
    return web.Response(body=body, status=status, content_type="application/json")


async def _rest(exchange: "Exchange", request: web.Request) -> web.StreamResponse:
    """Answer a REST call, with what faults make of it."""
    path, faults = request.match_info["path"], exchange.faults
    slow = faults.strike("slow", path=path)
    if slow is not None:
        await asyncio.sleep(slow.seconds)
    broken = faults.strike("http", path=path)
    if broken is not None:
        return web.Response(status=int(broken.code or 502), text="upstream error")
    struck = faults.strike("refuse", path=path)
    if struck is not None:
        refused = refusal(struck.code or "50001")
        return _envelope(refused.code, refused.text, [])
    answer = await _answer(exchange, request, path, is_slow=slow is not None)
    exchange.pushes.release()
    struck = faults.strike("timeout", path=path)
    if struck is not None:
        refused = refusal(struck.code or "50004")
        return _envelope(refused.code, refused.text, [])
    if faults.strike("lost", path=path) is not None and request.transport is not None:
        request.transport.abort()
    return answer


async def _answer(
    exchange: "Exchange", request: web.Request, path: str, *, is_slow: bool
) -> web.Response:
    """Check a call, run it, and return its answer."""
    text = await request.text() if request.method == "POST" else ""
    body: Any = None
    if text:
        try:
            body = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return _refused(refusal("50002"))
    world, now_ms = exchange.world, exchange.world.now_ms()
    route = (request.method, path)
    is_order = request.method == "POST" and path in ORDER_ROUTES
    key: Key | None = None
    if is_order or route in _PRIVATE:
        found = check_rest(world.keys, request.headers, *_signed(request, text), now_ms)
        if isinstance(found, Refusal):
            return _refused(found)
        key = found
    elif route not in PUBLIC_ROUTES:
        return web.json_response({"msg": "Not Found", "code": "404"}, status=404)
    call = Call(
        exchange,
        request.query,
        body,
        is_demo=request.headers.get("x-simulated-trading") == "1",
        now_ms=now_ms,
        key=key,
        account=world.accounts[key.account] if key else None,
        expires=request.headers.get("expTime", ""),
    )
    if is_order:
        return _order(call, ORDER_ROUTES[path], is_slow=is_slow)
    return _data(call, route, str(request.remote))


def _signed(request: web.Request, text: str) -> tuple[str, str, str]:
    """Return what a signature covers: method, path with its query as sent, body."""
    return request.method, request.raw_path, text


def _refused(why: Refusal) -> web.Response:
    return _envelope(why.code, why.text, [])


def _data(call: Call, route: tuple[str, str], remote: str) -> web.Response:
    """Answer a call for data."""
    owner = (call.account.name,) if call.account else (remote,)
    by_type = (call.get("instType"),) if route[1].endswith("instruments") else ()
    if not call.exchange.rates.spend(route[1], (*owner, *by_type), call.now_ms):
        return _refused(refusal("50011"))
    writes = route[0] == "POST" and call.key is not None
    if writes and call.key is not None and "trade" not in call.key.permissions:
        return _refused(refusal("50120"))
    handler = _PRIVATE.get(route) or PUBLIC_ROUTES[route]
    rows = handler(call)
    return _refused(rows) if isinstance(rows, Refusal) else _envelope("0", "", rows)


def _order(call: Call, op: str, *, is_slow: bool) -> web.Response:
    """Answer an order operation."""
    assert call.key is not None
    started = call.exchange.world.now_ns() // 1000
    args = call.body if "batch" in op else [call.body]
    if not isinstance(args, list):
        return _refused(refusal("50002"))
    call.exchange.pushes.hold()
    done = call.exchange.trading.run(op, call.key, args, by_code=False, expires=call.expires)
    if isinstance(done, Refusal):
        late = is_slow and done.code == "50036"
        return _refused(refusal("50037") if late else done)
    code, text = answer_of(done)
    ended = call.exchange.world.now_ns() // 1000
    return _envelope(code, text, done, inTime=str(started), outTime=str(ended))


async def _fault(exchange: "Exchange", request: web.Request) -> web.StreamResponse:
    """Arm or clear faults: a JSON object with `kind` and the fields of `Fault`."""
    try:
        asked = msgspec.json.decode(await request.read(), type=dict[str, Any])
        kind = str(asked.pop("kind", ""))
        if kind == "clear":
            exchange.faults.clear()
            exchange.world.clock_error_s = 0.0
        else:
            exchange.misbehave(kind, **asked)
    except (ConfigError, msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"done": exchange.faults.n_done})


async def _listing(exchange: "Exchange", request: web.Request) -> web.StreamResponse:
    """Change a listing: a JSON object with `symbol`, and `state` or `min_size`."""
    try:
        exchange.relist(**msgspec.json.decode(await request.read(), type=dict[str, str]))
    except (ConfigError, msgspec.DecodeError, ArithmeticError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({})
