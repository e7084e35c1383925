"""Progress is shown where somebody looks, and nowhere else."""

import pytest
import source

from livekit import progress
from livekit.progress import Progress, _short


@pytest.fixture
def clock(monkeypatch):
    """Give a list whose first item is the time in seconds."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


class View:
    def __init__(self, label):
        self.label, self.shown, self.closed = label, [], []

    def show(self, fraction, text):
        self.shown.append((fraction, text))

    def close(self, text):
        self.closed.append(text)


@pytest.fixture
def views(monkeypatch):
    made = []

    def make(label):
        made.append(View(label))
        return made[-1]

    monkeypatch.setattr(progress, "_Terminal", make)
    return made


def test_short_work_shows_nothing(clock, views):
    with Progress(100, "x", is_shown=True) as bar:
        clock[0] += 0.4
        bar.update(50)
    assert views == []


def test_long_work_shows_fraction_rate_and_time_left_at_most_every_so_often(clock, views):
    with Progress(20_000, "work", "rows", is_shown=True) as bar:
        clock[0] += 1.0
        bar.update(5000)
        clock[0] += 0.01
        bar.update(5001)  # too soon
        clock[0] += 0.99
        bar.update(10_000, "note")
    (view,) = views
    assert view.label == "work"
    assert view.shown == [
        (0.25, "5000 of 20.0 K rows · 5000/s · 3 s left"),
        (0.5, "10.0 K of 20.0 K rows · 5000/s · 2 s left · note"),
    ]
    assert view.closed == ["10.0 K of 20.0 K rows · 5000/s · 2 s left"]


def test_work_that_learns_late_how_much_it_is_says_so(clock, views):
    with Progress(0, "work", "bytes", is_shown=True) as bar:
        clock[0] += 1.0
        bar.update(5, total=20)
        clock[0] += 1.0
        bar.update(20)
    assert views[0].shown == [
        (0.25, "5 of 20 bytes · 5/s · 3 s left"),
        (1.0, "20 of 20 bytes · 10/s · nearly done"),
    ]


def test_nobody_draws_a_bar_of_their_own():
    drawing = {
        name
        for name in source.modules()
        for item in source.imports_of(name)
        if item.imported.startswith(("rich.progress", "tqdm"))
    }
    # The demo's is one line of a picture that it draws anew each time.
    assert drawing == {"livekit.progress", "livekit.cli.demo"}


def test_work_that_is_stopped_says_so(clock, views):
    with pytest.raises(KeyboardInterrupt), Progress(10, "work", is_shown=True) as bar:  # noqa: PT012
        clock[0] += 1.0
        bar.update(5)
        raise KeyboardInterrupt
    assert views[0].closed[0].endswith("stopped")


def test_nothing_is_shown_where_nobody_looks(clock, views, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    with Progress(10, "work") as bar:
        clock[0] += 9.0
        bar.update(5)
    assert views == []


def test_more_than_all_and_nothing_at_all_are_fine(clock, views):
    with Progress(0, "work", is_shown=True) as bar:
        clock[0] += 1.0
        bar.update(7)
    assert views[0].shown[0][0] == 1.0


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9999, "9999"),
        (10_000, "10.0 K"),
        (491_000, "491 K"),
        (3e6, "3.0 M"),
        (2e9, "2.0 G"),
    ],
)
def test_numbers_are_written_as_a_person_reads_them(number, text):
    assert _short(number) == text
