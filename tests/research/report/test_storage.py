"""Saved runs: what comes back, what is refused, and that a folder is whole."""

import json

import numpy as np
import pandas as pd
import pytest
from hand_made_run import BUY, NAN, fill, make, order, sample
from hypothesis import HealthCheck, given, settings
from random_runs import runs

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.research.report import storage
from livekit.research.report.run import Run


@pytest.fixture
def run():
    return make(
        [fill(1, BUY, 2, 99.0, fee=0.1)],
        [order(1, BUY, 2, 99.0, status=5, n_fills=1, filled_quantity=2)],
        [sample(0, 1000.0), sample(5, NAN)],
        marks=np.array([[100.0], [NAN]]),
        params={"size": np.float64(2.0), "limit": float("inf")},
    )


def same(left, right):
    return left.tobytes() == right.tobytes()


def test_loaded_run_is_the_saved_one(run, tmp_path):
    assert run.save(tmp_path / "deep" / "run") == tmp_path / "deep" / "run"
    again = Run.load(tmp_path / "deep" / "run")
    assert again.differences(run) == []
    assert again.hash == run.hash
    assert same(again.order_rows, run.order_rows)
    assert again.meta["params"] == {"size": 2.0, "limit": None}
    np.testing.assert_array_equal(again.marks, run.marks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(runs(max_size=8))
def test_every_run_comes_back_to_the_bit(tmp_path, run):
    run.save(tmp_path / "run")
    again = Run.load(tmp_path / "run")
    assert again.differences(run) == []
    assert same(again.equity_rows, run.equity_rows)
    assert same(again.order_rows, run.order_rows)
    assert again.to_dict() == run.to_dict()


def test_empty_run_comes_back(tmp_path):
    make().save(tmp_path / "run")
    assert len(Run.load(tmp_path / "run").fill_rows) == 0


def test_tables_read_as_they_lie(run, tmp_path):
    run.save(tmp_path / "run")
    frame = pd.read_parquet(tmp_path / "run" / "orders.parquet")
    assert frame["created_ns"].dtype == "datetime64[ns, UTC]"
    assert frame["final_ns"].isna().all()
    assert frame["client_order_id"].tolist() == ["L1"]
    text = (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
    assert json.loads(text)["meta"]["name"] == "hand"
    assert "NaN" not in text
    assert "Infinity" not in text


def test_saving_again_replaces_the_run_and_leaves_nothing_beside_it(run, tmp_path):
    run.save(tmp_path / "run")
    make().save(tmp_path / "run")
    assert len(Run.load(tmp_path / "run").fill_rows) == 0
    assert not (tmp_path / "run" / "marks.parquet").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_folder_of_something_else_is_not_replaced(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is there and is no saved run"):
        run.save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_save_that_fails_leaves_the_old_run(run, tmp_path, monkeypatch):
    run.save(tmp_path / "run")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.parquet, "write_table", full)
    with pytest.raises(DataError, match="No space left on device"):
        make().save(tmp_path / "run")
    assert Run.load(tmp_path / "run").hash == run.hash
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_rename_that_fails_puts_the_old_run_back(run, tmp_path, monkeypatch):
    run.save(tmp_path / "run")
    rename = storage.Path.rename

    def refuse_staged(self, target):
        if ".writing-" in self.name:
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(storage.Path, "rename", refuse_staged)
    with pytest.raises(DataError, match="Permission denied"):
        make().save(tmp_path / "run")
    monkeypatch.undo()
    assert Run.load(tmp_path / "run").hash == run.hash
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_run_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match=r"livekit runs"):
        Run.load(tmp_path / "nothing")
    with pytest.raises(NotFoundError, match=r"has no run\.json"):
        Run.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "format None"),
        ('{"format": 99, "meta": {}}', "format 99"),
        ('{"format": 1, "meta": 3}', "format 1"),
    ],
)
def test_broken_description_is_a_data_error(run, tmp_path, text, reason):
    run.save(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(DataError, match=reason):
        Run.load(tmp_path / "run")


def test_description_that_is_no_text_is_a_data_error(run, tmp_path):
    run.save(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"run\.json"):
        Run.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["orders", "fills", "equity", "marks"])
def test_truncated_table_is_a_data_error(run, tmp_path, name):
    run.save(tmp_path / "run")
    file = tmp_path / "run" / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{name}\.parquet is missing or broken"):
        Run.load(tmp_path / "run")


def test_missing_table_is_a_data_error(run, tmp_path):
    run.save(tmp_path / "run")
    (tmp_path / "run" / "fills.parquet").unlink()
    with pytest.raises(DataError, match=r"fills\.parquet is missing"):
        Run.load(tmp_path / "run")


def test_missing_column_is_a_data_error(run, tmp_path):
    run.save(tmp_path / "run")
    file = tmp_path / "run" / "fills.parquet"
    pd.read_parquet(file).drop(columns="price").to_parquet(file)
    with pytest.raises(DataError, match="no column 'price'"):
        Run.load(tmp_path / "run")


def test_column_of_another_kind_is_a_data_error(run, tmp_path):
    run.save(tmp_path / "run")
    file = tmp_path / "run" / "fills.parquet"
    pd.read_parquet(file).assign(price="high").to_parquet(file)
    with pytest.raises(DataError, match="column 'price'"):
        Run.load(tmp_path / "run")


def test_changed_rows_are_a_data_error(run, tmp_path):
    run.save(tmp_path / "run")
    file = tmp_path / "run" / "fills.parquet"
    pd.read_parquet(file).assign(price=98.0).to_parquet(file)
    with pytest.raises(DataError, match="they were changed"):
        Run.load(tmp_path / "run")
