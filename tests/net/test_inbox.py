"""What a socket is read into keeps what was not taken, whatever its length."""

import ctypes

from livekit.net.inbox import Inbox


def receive(inbox, data):
    """Put bytes where a socket would; return how many lie there now."""
    inbox.free[: len(data)] = data
    return inbox.n + len(data)


def test_what_was_put_back_lies_before_what_comes_next():
    inbox = Inbox(16)
    inbox.put(b"abc")
    n = receive(inbox, b"defg")
    assert inbox.text(0, n) == ctypes.string_at(inbox.address, n) == b"abcdefg"
    inbox.put(inbox.text(5, n))
    assert inbox.text(0, receive(inbox, b"h")) == b"fgh"


def test_room_stays_the_same_behind_what_is_kept():
    inbox = Inbox(16)
    for size in (0, 1, 15, 16, 17, 1000, 3):
        inbox.put(b"x" * size)
        assert len(inbox.free) >= 16
        assert inbox.text(0, receive(inbox, b"y" * 16)) == b"x" * size + b"y" * 16


def test_cleared_inbox_is_read_into_from_its_beginning():
    inbox = Inbox(16)
    inbox.put(b"abc")
    inbox.clear()
    assert inbox.n == 0
    assert inbox.text(0, receive(inbox, b"z")) == b"z"
