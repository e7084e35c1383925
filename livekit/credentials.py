"""The key to an account: where it is kept, and how little of it is ever seen.

A key is looked for in the system's keyring (if the ``keyring`` package is there), then in a
file that only its owner may read, then in the environment, and taken from the first that
has one. The secret goes into an ``hmac`` object at once, which is copied to sign and never
shown; the environment's variables are removed as they are read, so that no child inherits
them. A `Credentials` shows four characters of its key and cannot be pickled or copied.
Layer 3.
"""

import hashlib
import hmac
import importlib
import os
import stat
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, cast

import msgspec

from livekit.errors import ConfigError, NotFoundError
from livekit.okx.calls import Call, headers
from livekit.okx.requests import login, sign_text

__all__ = ["ENVIRONMENT", "SERVICE", "Credentials", "default_path", "load"]

SERVICE: Final = "livekit-okx"
"""The keyring's service; its user name is the environment: ``sim``, ``demo`` or ``live``."""

ENVIRONMENT: Final = ("LIVEKIT_OKX_KEY", "LIVEKIT_OKX_SECRET", "LIVEKIT_OKX_PASSPHRASE")
"""Variables of key, secret and passphrase."""

_MAX_FILE_BYTES: Final = 1 << 16
_MAX_LENGTH: Final = 256
_HOW: Final = (
    'put {"key": ..., "secret": ..., "passphrase": ...} for it into the keyring or a file '
    "of mode 0600, or set the variables"
)


class _Call(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Credentials:
    """A key that signs.

    Parameters
    ----------
    key, secret, passphrase : str
        As OKX gave them.
    source : str
        Where they came from, for messages.

    Raises
    ------
    ConfigError
        One of them is missing, has space around it, or is not printable ASCII.
    """

    __slots__ = ("_passphrase", "_secret", "key", "source")

    def __init__(self, key: str, secret: str, passphrase: str, source: str = "") -> None:
        for name, value in (("key", key), ("secret", secret), ("passphrase", passphrase)):
            _check(name, value, source)
        self.key: Final = key
        self.source: Final = source
        self._passphrase: Final = passphrase
        self._secret: Final = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        """Show the last four characters of the key and nothing else."""
        return f"<key …{self.key[-4:] if len(self.key) >= 12 else ''}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be pickled or copied: a secret stays in one place."""
        raise TypeError("credentials are not to be pickled or copied; load them again")

    def login(self, ts_s: int) -> bytes:
        """Return the login frame of a private connection at the server's time in seconds."""
        return login(self.key, self._passphrase, lambda text: sign_text(self._secret, text), ts_s)

    def headers(self, call: _Call, now_ms: int, *, is_demo: bool) -> dict[str, str]:
        """Return the headers that sign a REST call at the server's time in ms."""
        expire_ms = getattr(call, "expire_ms", None)
        return headers(
            Call(call.method, call.path, call.body, expire_ms),
            key=self.key,
            passphrase=self._passphrase,
            secret=self._secret,
            now_ms=now_ms,
            is_demo=is_demo,
        )


def default_path(env: str) -> Path:
    """Return the file of an environment's key: ``~/.config/livekit/okx-<env>.json``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "livekit" / f"okx-{env}.json"


def load(
    env: str,
    path: Path | None = None,
    environ: MutableMapping[str, str] | None = None,
    read_keyring: Callable[[str, str], str | None] | None = None,
) -> Credentials:
    """Return the key of an environment from the keyring, a file, or the variables.

    Parameters
    ----------
    env : str
        ``sim``, ``demo`` or ``live``.
    path : Path, optional
        A file; `default_path` if not given. One that was given must be there.
    environ : mutable mapping, optional
        The process's environment if not given; the key's variables are removed from it,
        wherever the key is found.
    read_keyring : callable, optional
        Service and user name to the stored text; the ``keyring`` package if not given.

    Raises
    ------
    NotFoundError
        There is no key, or no such file.
    ConfigError
        What was found is not a key, or others may read the file.
    """
    variables = _take(os.environ if environ is None else environ)
    stored = (read_keyring or _read_keyring)(SERVICE, env) if path is None else None
    if stored:
        return _decode(stored.encode(), f"keyring {SERVICE!r}")
    file = path or default_path(env)
    if path is not None or file.exists():
        return _decode(_read_private(file), f"file {str(file)!r}")
    if variables:
        key, secret, passphrase = (variables.get(name, "") for name in ENVIRONMENT)
        return Credentials(key, secret, passphrase, "environment")
    raise NotFoundError(
        f"no key for environment {env!r}: none in the keyring {SERVICE!r}, in {str(file)!r} or in "
        f"{', '.join(ENVIRONMENT)}; {_HOW}"
    )


def _take(environ: MutableMapping[str, str]) -> Mapping[str, str]:
    return {name: environ.pop(name) for name in ENVIRONMENT if name in environ}


def _read_keyring(service: str, name: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
    except ModuleNotFoundError:
        return None
    errors = importlib.import_module("keyring.errors")
    try:
        return cast("str | None", keyring.get_password(service, name))
    except errors.NoKeyringError:
        return None
    except errors.KeyringError as error:
        raise ConfigError(
            f"keyring {service!r} can not be read ({type(error).__name__}); "
            "unlock it, or use a file"
        ) from None


def _read_private(path: Path) -> bytes:
    """Return a file's bytes if nobody but its owner, who is us, may read or write it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFoundError(f"key file {str(path)!r} is not there; {_HOW}") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(
            f"key file {str(path)!r} can not be read ({reason}); use a plain file of your own"
        ) from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigError(f"key file {str(path)!r} is not a plain file of your own; move it")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"key file {str(path)!r} has mode {mode:04o}, others may read it; "
                f"run 'chmod 600 {path}', and replace the key if others had access"
            )
        text = os.read(handle, _MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(text) > _MAX_FILE_BYTES:
        raise ConfigError(f"key file {str(path)!r} is longer than 64 KiB, expected a short one")
    return text


def _decode(text: bytes, source: str) -> Credentials:
    # Neither the text nor the decoder's message may be shown: both can hold the secret.
    try:
        fields = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = None
    if fields is None:
        raise ConfigError(f'{source} is not {{"key", "secret", "passphrase"}} as JSON; {_HOW}')
    key, secret, passphrase = (fields.get(name, "") for name in ("key", "secret", "passphrase"))
    return Credentials(key, secret, passphrase, source)


def _check(name: str, value: str, source: str) -> None:
    where = f" in {source}" if source else ""
    if not value:
        raise ConfigError(f"{name} is missing{where}; a key of OKX has key, secret and passphrase")
    if value != value.strip():
        raise ConfigError(f"{name} has white space at its start or end{where}; remove it")
    if not (value.isascii() and value.isprintable()) or len(value) > _MAX_LENGTH:
        raise ConfigError(f"{name} is not printable ASCII of at most 256 characters{where}")
