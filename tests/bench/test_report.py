import io
import json

import numpy as np
import pytest
from rich.console import Console

from livekit.bench.document import METADATA_BYTES, DocumentQueue
from livekit.bench.processes import fork
from livekit.bench.report import Row, make_row, print_rows, spread_of, to_json
from livekit.errors import LivekitError


def test_row_holds_the_median_and_the_spread_of_its_runs():
    row = make_row("x", [5.0, 1.0, 3.0, 2.0, 4.0], "M/s")
    assert row == Row("x", 3.0, "M/s", spread=pytest.approx(2 / 3))


def test_ratio_compares_medians():
    row = make_row("x", [2.0, 4.0, 100.0], "M/s", peer="y", peer_values=[1.0, 2.0, 3.0])
    assert row.ratio == 2.0


def test_ratio_of_runs_in_turns_is_that_of_most_pairs_whatever_the_pace_was():
    values, peer_values = [2.0, 2.2, 8.0, 8.4, 2.0], [1.0, 1.1, 4.0, 4.2, 4.0]
    row = make_row("x", values, "s", peer="y", peer_values=peer_values, in_turns=True)
    assert row.ratio == 2.0
    with pytest.raises(ValueError, match="shorter"):
        make_row("x", values, "s", peer="y", peer_values=[1.0], in_turns=True)


@pytest.mark.parametrize(
    ("target", "peer_values", "expected"),
    [
        ((">=", 2.0), (), True),
        ((">=", 2.1), (), False),
        (("<=", 2.0), (), True),
        (("<=", 1.9), (), False),
        ((">=", 0.5), (4.0,), True),
        ((">=", 0.6), (4.0,), False),
        (None, (4.0,), None),
    ],
)
def test_target_is_about_the_ratio_if_there_is_a_peer_and_the_value_otherwise(
    target, peer_values, expected
):
    row = make_row("x", [2.0], "s", peer_values=peer_values, target=target)
    assert row.ok is expected


def test_spread_of_few_runs_or_of_nothing_is_unknown():
    assert spread_of([1.0, 2.0]) is None
    assert spread_of([0.0, 0.0, 0.0]) is None
    assert spread_of([2.0, 2.0, 2.0]) == 0.0


def test_json_has_the_published_shape():
    made = json.loads(json.dumps(to_json([make_row("x", [1.0], "s", target=("<=", 2.0))])))
    assert set(made) == {"machine", "rows"}
    assert {"cpu", "cores", "kernel", "python", "packages"} <= set(made["machine"])
    assert made["rows"] == [
        {
            "name": "x",
            "value": 1.0,
            "unit": "s",
            "spread": None,
            "peer": None,
            "ratio": None,
            "target": "<= 2",
            "ok": True,
        }
    ]


def test_table_shows_every_row_and_the_machine():
    out = io.StringIO()
    rows = [make_row("first", [12345.6], "ns"), make_row("second", [0.5], "s", target=(">=", 1))]
    print_rows("bench", rows, Console(file=out, width=160))
    text = out.getvalue()
    for part in ("first", "12,346", "second", "0.50", "missed", "cores", "numba"):
        assert part in text


@pytest.mark.process
def test_forked_process_hands_back_its_result():
    assert fork("child", lambda: {"a": [1, 2]}).result() == {"a": [1, 2]}


@pytest.mark.process
def test_forked_process_that_fails_is_reported_by_name(capfd):
    child = fork("the child", lambda: np.zeros(1)[2])
    with pytest.raises(LivekitError, match="'the child' ended without a result"):
        child.result()
    assert "IndexError" in capfd.readouterr().err


def test_documents_queue_works_as_the_document_says(tmp_path):
    path = tmp_path / "queue"
    path.write_bytes(bytes(METADATA_BYTES + 2 * 64))
    queue = DocumentQueue(path, 2, 64)
    events = [bytes([n]) * 64 for n in range(3)]
    assert [queue.try_push(event) for event in events] == [True, True, False]
    assert [queue.try_pop() for _ in range(3)] == [*events[:2], None]
