"""Modules that only this process finds."""

import sys

import pytest

from livekit.strategy.export.places import local_file


@pytest.mark.parametrize("name", ["math", "json", "numpy", "numpy.linalg", "sys", "livekit", "no"])
def test_modules_that_every_process_finds_are_not_local(name):
    assert local_file(name) is None


def test_module_beside_the_notebook_is_local_unless_its_folder_is_known(tmp_path, monkeypatch):
    (tmp_path / "lonely.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("lonely")
    assert local_file("lonely") == tmp_path / "lonely.py"
    assert local_file("lonely", tmp_path) is None
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert local_file("lonely") is None
    sys.modules.pop("lonely")
