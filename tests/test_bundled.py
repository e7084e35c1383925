"""What ships beside the code is found from anywhere, and never instead of the user's own."""

import pytest
from source import ROOT

import livekit as lk
from livekit.bundled import bundled, recording_folder
from livekit.errors import NotFoundError


def test_bundled_day_is_found_under_its_name_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert recording_folder("replay_data") == ROOT / "replay_data"
    assert lk.load("replay_data").n_events == 491_098


def test_folder_of_the_users_goes_before_the_bundled_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replay_data").mkdir()
    assert recording_folder("replay_data").resolve() == tmp_path / "replay_data"
    with pytest.raises(NotFoundError):
        lk.load("replay_data")


def test_other_name_that_is_not_there_is_not_replaced_by_anything(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert not recording_folder("my_data").exists()
    with pytest.raises(NotFoundError, match="'nothing' is neither in the package nor beside it"):
        bundled("nothing")
