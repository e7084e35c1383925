"""Signatures, timestamps and keys, checked as OKX checks them.

Source: OKX API v5, "Authentication" and "Login", read 2026-08.
Layer 4. Pure.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from livekit.okxsim.accounts import Key
from livekit.okxsim.codes import Refusal, refusal

__all__ = ["check_login", "check_rest", "sign"]

_WINDOW_MS: Final = 30_000
_LOGIN_PATH: Final = "GET/users/self/verify"
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def sign(secret: str, text: str) -> str:
    """Return base64 of the HMAC-SHA256 of a text."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _milliseconds(stamp: str) -> int | None:
    """Return the time of an ISO 8601 stamp with exactly three digits of a second, in ms."""
    if not _ISO.fullmatch(stamp):
        return None
    try:
        time = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(time.timestamp() * 1000)


_MISSING: Final = {
    "OK-ACCESS-KEY": "50103",
    "OK-ACCESS-PASSPHRASE": "50104",
    "OK-ACCESS-SIGN": "50106",
    "OK-ACCESS-TIMESTAMP": "50107",
}


def check_rest(
    keys: Mapping[str, Key], headers: Mapping[str, str], method: str, path: str, body: str, now: int
) -> Key | Refusal:
    """Return the key that signed a REST call, or why it is refused.

    Parameters
    ----------
    path : str
        With its query, exactly as sent.
    now : int
        The exchange's clock, ms.
    """
    refused = _header_refusal(headers, now)
    if refused is not None:
        return refused
    key = keys.get(headers["OK-ACCESS-KEY"])
    if key is None or key.is_expired:
        return refusal("50111" if key is None else "50119")
    if key.is_demo != (headers.get("x-simulated-trading") == "1"):
        return refusal("50101")
    if not _equal(headers["OK-ACCESS-PASSPHRASE"], key.passphrase):
        return refusal("50105")
    wanted = sign(key.secret, headers["OK-ACCESS-TIMESTAMP"] + method + path + body)
    return key if _equal(wanted, headers["OK-ACCESS-SIGN"]) else refusal("50113")


def _header_refusal(headers: Mapping[str, str], now: int) -> Refusal | None:
    """Refuse missing headers, and a time that is malformed or too far from now."""
    for name, code in _MISSING.items():
        if not headers.get(name):
            return refusal(code)
    time_ms = _milliseconds(headers["OK-ACCESS-TIMESTAMP"])
    if time_ms is None:
        return refusal("50112")
    return refusal("50102") if abs(now - time_ms) > _WINDOW_MS else None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def check_login(
    keys: Mapping[str, Key], args: Any, now_ms: int, *, is_demo: bool | None
) -> Key | Refusal:
    """Return the key of a login's args, or why it is refused.

    Parameters
    ----------
    is_demo : bool or None
        Environment of the host; None takes keys of both.
    """
    if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
        return refusal("60013")
    said = {name: str(args[0].get(name) or "") for name in _LOGIN}
    refused = _login_refusal(said, now_ms)
    if refused is not None:
        return refused
    key = keys.get(said["apiKey"])
    if key is None or key.is_expired or is_demo not in {None, key.is_demo}:
        return refusal("60005" if key is not None and key.is_expired else "60032")
    if not _equal(said["passphrase"], key.passphrase):
        return refusal("60024")
    wanted = sign(key.secret, said["timestamp"] + _LOGIN_PATH)
    return key if _equal(wanted, said["sign"]) else refusal("60007")


def _login_refusal(said: Mapping[str, str], now_ms: int) -> Refusal | None:
    """Refuse empty fields, and a time that is malformed or too far from now."""
    for name, value in said.items():
        if not value:
            return refusal("60027", name)
    stamp = said["timestamp"]
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) == 10):
        return refusal("60004")
    return refusal("60006") if abs(now_ms - int(stamp) * 1000) > _WINDOW_MS else None


_LOGIN: Final = ("apiKey", "passphrase", "timestamp", "sign")
