"""Where a WebSocket frame ends, and what a socket's error says.

Source: RFC 6455, section 5.2. Layer 3. Pure.
"""

import ssl

__all__ = ["explain", "measure"]


def measure(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return (bytes of header, bytes of payload) of the frame at `start`; (0, 0) if cut."""
    if end - start < 2:
        return 0, 0
    size = data[start + 1] & 0x7F
    if size < 126:
        return 2, size
    header = 4 if size == 126 else 10
    if end - start < header:
        return 0, 0
    return header, int.from_bytes(data[start + 2 : start + header], "big")


def explain(error: OSError) -> str:
    """Return what went wrong, in the words of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted ({error.verify_message})"
    return (error.strerror or str(error)).lower()
