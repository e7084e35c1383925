"""Texts that become frames where they lie, against the parser of `websockets`."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import State
from websockets.server import ServerProtocol

from livekit.net.framing import FrameBuffer


def frame_of(buffer, text):
    """Write a text and return its frame as bytes."""
    ctypes.memmove(buffer.address, text, len(text))
    return bytes(buffer.frame(len(text)))


@given(st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=20))
def test_frames_hold_the_texts_that_were_written(texts):
    buffer = FrameBuffer(700)
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(b"".join(frame_of(buffer, text) for text in texts))
    assert [bytes(frame.data) for frame in server.events_received()] == texts


def test_every_frame_has_a_key_of_its_own():
    buffer = FrameBuffer(8)
    keys = {frame_of(buffer, b"x")[2:6] for _ in range(3000)}
    assert len(keys) > 2990


@pytest.mark.parametrize("n", [0, 9])
def test_text_that_does_not_fit_is_a_mistake_of_the_caller(n):
    with pytest.raises(AssertionError):
        FrameBuffer(8).frame(n)
