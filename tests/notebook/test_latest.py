"""The newest request wins, and nobody waits for one that was overtaken."""

import threading

from livekit.notebook.latest import Latest


def test_newest_of_many_requests_is_worked_off_and_the_rest_are_dropped():
    gate, done = threading.Event(), []

    def work(request, _is_overtaken):
        gate.wait(10)
        done.append(request)

    latest = Latest(work)
    latest.ask(0)
    while latest._asked:
        pass  # until the thread has taken the first one
    for number in range(1, 100):
        latest.ask(number)
    gate.set()
    assert latest.wait(10)
    assert done == [0, 99]
    assert (latest.n_done, latest.n_dropped) == (2, 98)


def test_long_work_is_told_that_it_was_overtaken_and_short_work_is_not():
    told = []

    def work(request, is_overtaken):
        told.append(is_overtaken())
        if request == "long":
            latest.ask("short")
            while not is_overtaken():
                pass
            told.append(is_overtaken())

    latest = Latest(work)
    latest.ask("long")
    assert latest.wait(10)
    assert told == [False, True, False]


def test_fault_of_one_request_is_kept_and_the_next_is_worked_off():
    seen = []

    def work(request, _is_overtaken):
        seen.append(request)
        if request == "bad":
            raise ValueError("bad")

    latest = Latest(work)
    latest.ask("bad")
    latest.wait(10)
    assert repr(latest.fault) == "ValueError('bad')"
    latest.ask("good")
    latest.wait(10)
    assert latest.fault is None
    assert seen == ["bad", "good"]


def test_waiting_ends_at_its_deadline():
    gate = threading.Event()
    latest = Latest(lambda _request, _is_overtaken: gate.wait(10))
    latest.ask(1)
    assert latest.wait(0.01) is False
    gate.set()
    assert latest.wait(10) is True
