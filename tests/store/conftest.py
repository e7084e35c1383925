"""A cache of its own for every test that reads recorded data."""

import pytest

import livekit.store.cache


@pytest.fixture(autouse=True)
def rows_cache(monkeypatch, tmp_path):
    folder = tmp_path / "rows-cache"
    folder.mkdir()
    monkeypatch.setattr(livekit.store.cache, "rows_cache_folder", lambda: folder)
    return folder
