"""As much of HTTP/1.1 as the door needs: one small request, one small answer.

Strict where laxity has been a hole elsewhere: no chunked bodies, no folded lines, no
header twice, a length that is digits. Everything has a bound.
Layer 4. Pure: takes bytes, gives bytes.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

__all__ = ["HttpError", "Request", "parse", "response"]

_MAX_HEAD: Final = 4096
_MAX_BODY: Final = 4096
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"/[A-Za-z0-9/_-]*")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


class HttpError(Exception):
    """A request that is answered with a refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes
    ----------
    method, target : str
    headers : dict of str to str
        Names in lower case.
    body : bytes
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def parse(received: bytes | bytearray) -> Request | None:
    """Return the request at the start of what was received; None while there is more to come.

    Raises
    ------
    HttpError
        It is none, or too long.
    """
    end = received.find(b"\r\n\r\n", 0, _MAX_HEAD + 4)
    if end < 0:
        if len(received) > _MAX_HEAD:
            raise HttpError(431, "head is too long")
        return None
    try:
        lines = received[:end].decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise HttpError(400, "head is not ASCII") from None
    method, target = _request_line(lines[0])
    headers = _headers(lines[1:])
    n_body = _body_bytes(headers)
    body = bytes(received[end + 4 :])
    if len(body) < n_body:
        return None
    if len(body) > n_body:
        raise HttpError(400, "body is longer than its length")
    return Request(method, target, headers, body)


def _request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise HttpError(400, "request line is malformed")
    method, target, _ = parts
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise HttpError(400, "request line is malformed")
    return method, target


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, found, value = line.partition(":")
        key = name.lower()
        if not found or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise HttpError(400, "header is malformed")
        if key in headers:
            raise HttpError(400, "header is given twice")
        headers[key] = value.strip()
    return headers


def _body_bytes(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise HttpError(501, "transfer encodings are not taken")
    text = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise HttpError(400, "content length is not a number")
    if int(text) > _MAX_BODY:
        raise HttpError(413, "body is too long")
    return int(text)


def response(status: int, content: Any, origin: str, *, is_preflight: bool = False) -> bytes:
    """Return an answer; `origin` may read it, and after a preflight may send the token."""
    body = b"" if content is None else msgspec.json.encode(content)
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Vary: Origin",
    ]
    if origin:
        lines.append(f"Access-Control-Allow-Origin: {origin}")
    if is_preflight and origin:
        lines += [
            "Access-Control-Allow-Methods: POST",
            "Access-Control-Allow-Headers: authorization, content-type",
            "Access-Control-Allow-Private-Network: true",
            "Access-Control-Max-Age: 600",
        ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
