"""From the name of a host to a connected socket, secured if wanted, without waiting.

Name resolution cannot be made non-blocking, so it runs in a thread that rings a bell; a
host that is a number needs none. Its addresses are tried in turn. Layer 3.
"""

import ipaddress
import os
import socket
import ssl
import threading
from typing import Any

from livekit.net.doorbell import Doorbell

__all__ = ["Dialling"]


class Dialling:
    """One call, begun at once; `step` goes on with it whenever the descriptor is ready.

    Parameters
    ----------
    host : str
    port : int
    tls : ssl.SSLContext or None
        To agree on TLS once connected.

    Attributes
    ----------
    stage : str
        What it is at, for people.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self.stage = "resolving its name"
        self._bell = Doorbell()
        self._socket: socket.socket | None = None
        self._found: list[Any] | OSError | None = None
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            threading.Thread(target=self._ask, name="resolve", daemon=True).start()
            return
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._found = [(family, socket.SOCK_STREAM, 0, "", (host, port))]
        self._bell.ring()

    def _ask(self) -> None:
        try:
            self._found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            self._found = error
        self._bell.ring()

    def fileno(self) -> int:
        """Return the descriptor to select on; it changes under way."""
        return self._bell.fileno() if self._socket is None else self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether `step` is to be called once the descriptor can be written to."""
        return self.stage == "connecting"

    def step(self) -> bool:
        """Do what can be done now; True once `take` has the socket.

        Raises
        ------
        OSError
            The name is unknown, nobody answers, or TLS is not agreed on.
        ssl.SSLWantReadError, ssl.SSLWantWriteError
            TLS waits for the descriptor.
        """
        if self._socket is None:
            if isinstance(self._found, OSError):
                raise self._found
            if self._found is not None:
                self._try_next()
            return False
        if self.stage == "connecting" and not self._has_connected():
            return False
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.do_handshake()
        return True

    def take(self) -> socket.socket:
        """Return the connected socket, which is the caller's from now on."""
        assert self._socket is not None
        found, self._socket = self._socket, None
        return found

    def close(self) -> None:
        """Give the call up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._bell.close()

    def _try_next(self) -> None:
        """Begin to connect to the next address of the name."""
        assert isinstance(self._found, list)
        family, kind, protocol, _, address = self._found.pop(0)
        if self._socket is not None:
            self._socket.close()
        self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stage = "connecting"
        self._socket.connect_ex(address)

    def _has_connected(self) -> bool:
        assert self._socket is not None
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            if self._found:
                self._try_next()
                return False
            raise OSError(code, os.strerror(code))
        try:
            self._socket.getpeername()
        except OSError:
            return False  # still under way
        if self._tls is not None:
            self.stage = "agreeing on TLS"
            self._socket = self._tls.wrap_socket(
                self._socket, server_hostname=self._host, do_handshake_on_connect=False
            )
        return True
