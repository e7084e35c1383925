"""REST calls beside the engine's loop: one worker thread, answers through a bell.

The loop never waits: it submits a call with a token of its own, the thread sends it and
rings the doorbell, and `poll` hands the answers over. Every call ends in an answer; one
that got none from the server has status 0 and the reason as its body. TLS is verified,
redirects are not followed, an answer is read up to a bound.
Layer 3.
"""

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import httpx

from livekit import clock
from livekit.errors import LivekitError
from livekit.net.doorbell import Doorbell

__all__ = ["Answer", "Get", "RestCall", "RestClient"]

_log: Final = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every call's whole address

_MAX_WAITING: Final = 1024
_MAX_ANSWER_BYTES: Final = 16 << 20


class RestCall(Protocol):
    """What can be asked: `path` with its query, `body` as it is signed and sent."""

    @property
    def method(self) -> str:
        """``GET`` or ``POST``."""
        ...

    @property
    def path(self) -> str:
        """From the host on, query included."""
        ...

    @property
    def body(self) -> bytes:
        """Empty for GET."""
        ...


class Get(NamedTuple):
    """A call that only reads."""

    path: str
    method: str = "GET"
    body: bytes = b""


class Answer(NamedTuple):
    """What came of a call; times as the client's clock tells them."""

    token: Any
    status: int
    body: bytes
    sent_ns: int
    received_ns: int


class RestClient:
    """One client and its worker thread.

    Parameters
    ----------
    base_url : str
    doorbell : Doorbell, optional
        Rung for every answer to `submit`.
    sign : callable, optional
        Call to its headers, called in the worker when the call is about to be sent.
    headers : mapping, optional
        Of every call.
    now : callable
        Clock of the answers' times, ns.
    timeout_s : float
        For each of connecting, writing and reading.
    """

    def __init__(
        self,
        base_url: str,
        doorbell: Doorbell | None = None,
        *,
        sign: Callable[[RestCall], Mapping[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        now: Callable[[], int] = clock.now_ns,
        timeout_s: float = 5.0,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            headers={"User-Agent": "livekit", **(headers or {})},
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )
        self._bell, self._sign, self._now = doorbell, sign, now
        self._calls: queue.Queue[tuple[RestCall, Any] | None] = queue.Queue(_MAX_WAITING)
        self._answers: deque[Answer] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, call: RestCall, token: Any) -> None:
        """Send a call in the worker thread; its answer comes out of `poll`.

        Raises
        ------
        LivekitError
            Too many calls are waiting.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rest", daemon=True)
            self._thread.start()
        try:
            self._calls.put_nowait((call, token))
        except queue.Full:
            raise LivekitError(
                f"{_MAX_WAITING} calls wait for the exchange's answer; none is sent until "
                "some are answered"
            ) from None

    def poll(self) -> list[Answer]:
        """Return the answers that have come, oldest first."""
        answers = []
        while self._answers:
            answers.append(self._answers.popleft())
        return answers

    def request(self, call: RestCall, token: Any = None) -> Answer:
        """Send a call in the calling thread and wait for its answer."""
        sent_ns = self._now()
        try:
            headers = dict(self._sign(call)) if self._sign is not None else {}
            if call.body:
                headers["Content-Type"] = "application/json"
            status, body = self._send(call, headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            status, body = 0, _reason(error).encode()
        except Exception as error:  # noqa: BLE001 - logged, and answered
            # Whoever submitted it would wait for ever; the log has what it was.
            _log.exception("call failed path=%s", call.path)
            status, body = 0, f"call failed: {error!r}".encode()
        return Answer(token, status, body, sent_ns, self._now())

    def close(self) -> None:
        """End the worker; a call under way is not waited for."""
        if self._thread is not None:
            self._bell = None
            with contextlib.suppress(queue.Empty):
                while True:
                    self._calls.get_nowait()
            self._calls.put_nowait(None)
        else:
            self._client.close()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            self._answers.append(self.request(*item))
            bell = self._bell
            if bell is not None:
                bell.ring()
        self._client.close()

    def _send(self, call: RestCall, headers: dict[str, str]) -> tuple[int, bytes]:
        content = call.body or None
        with self._client.stream(
            call.method, call.path, content=content, headers=headers
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    return 0, b"answer is longer than 16 MiB"
            return response.status_code, bytes(body)


def _reason(error: Exception) -> str:
    """Return why there is no answer, with the deepest cause the library names."""
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    return (getattr(cause, "strerror", None) or str(cause) or type(error).__name__).lower()
