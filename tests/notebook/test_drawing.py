"""Figures as SVG: well formed, every spike there, every mark counted."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from livekit.notebook.drawing import Band, Marks, Series, figure

DAY = 1_767_571_200_000_000_000
HOUR = 3_600_000_000_000


def tree(*bands, span=(DAY, DAY + 24 * HOUR)):
    text = figure(list(bands), span, 'A "figure" & more')
    return text, ET.fromstring(text)


def paths(root, kind):
    return [one for one in root.iter() if one.get("class") == kind]


def test_figure_is_one_well_formed_image_with_words_for_who_cannot_see_it():
    ts = DAY + np.arange(100) * HOUR // 4
    band = Band("Equity <quote>", "net +1", [Series(ts, np.arange(100.0), "net")])
    text, root = tree(band, band)
    assert (root.get("role"), root.get("aria-label")) == ("img", 'A "figure" & more')
    assert len(paths(root, "lk-line")) == 2
    assert "Equity &lt;quote&gt;" in text
    assert "12:00" in text


def test_spike_of_one_sample_in_a_million_is_drawn():
    values = np.zeros(1_000_000)
    values[654_321] = 7.0
    ts = DAY + np.arange(1_000_000) * 86_400_000
    text, root = tree(Band("x", "", [Series(ts, values, "net")]))
    (path,) = paths(root, "lk-line")
    heights = [int(number) / 10 for number in path.get("points").split()[1::2]]
    assert len(heights) < 1500
    assert min(heights) < max(heights) - 100
    assert len(text) < 60_000


def test_marks_of_a_side_are_one_shape_that_says_how_many():
    ts = DAY + np.arange(5) * HOUR
    marks = Marks(ts, np.arange(5.0), "buy", "up", "5 fills that bought")
    _, root = tree(Band("x", "", [Series(ts, np.arange(5.0), "price")], [marks]))
    (mark,) = paths(root, "lk-mark")
    assert mark.get("d").count("M") == 5
    assert next(iter(mark)).text == "5 fills that bought"


@pytest.mark.parametrize("values", [[], [np.nan, np.nan], [3.0], [5.0, 5.0]])
def test_series_with_nothing_or_one_level_in_it_is_still_a_figure(values):
    ts = DAY + np.arange(len(values)) * HOUR
    text, _ = tree(Band("x", "", [Series(ts, np.array(values), "drawdown", is_area=True)]))
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize(
    ("span", "label"), [(2e9, ":00:01"), (HOUR, "00:30"), (60 * 24 * HOUR, "02-")]
)
def test_axis_of_time_has_round_labels_at_every_scale(span, label):
    ts = np.array([DAY, DAY + int(span)])
    text, _ = tree(
        Band("x", "", [Series(ts, np.array([0.0, 1.0]), "net")]), span=tuple(ts.tolist())
    )
    assert label in text
