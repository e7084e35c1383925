"""A bell that threads ring: heard once, and silent from its end on."""

import os
import select
import threading

from livekit.net.doorbell import Doorbell


def test_rings_are_heard_until_they_are_answered():
    bell = Doorbell()
    assert select.select([bell], [], [], 0)[0] == []
    bell.ring()
    bell.ring()
    assert select.select([bell], [], [], 0)[0] == [bell]
    bell.answer()
    assert select.select([bell], [], [], 0)[0] == []
    bell.close()


def test_closed_bell_is_silent_and_closes_twice():
    """It once raised in the thread that rang: a descriptor cannot be a negative integer."""
    bell = Doorbell()
    bell.close()
    bell.ring()
    bell.close()
    assert bell.fileno() == -1


def test_late_ring_writes_into_nobody_elses_descriptor():
    """Rings from a thread, closes meanwhile, and gives the number to a pipe: it stays empty."""
    for _ in range(200):
        bell, is_over = Doorbell(), threading.Event()

        def ring_on(bell=bell, is_over=is_over):
            while not is_over.is_set():
                bell.ring()

        thread = threading.Thread(target=ring_on)
        thread.start()
        bell.close()
        reader, writer = os.pipe()
        is_over.set()
        thread.join()
        assert select.select([reader], [], [], 0)[0] == []
        os.close(reader)
        os.close(writer)
