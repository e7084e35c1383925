"""`livekit lab`: notebooks where the user can write, and the command that opens them."""

import sys

import pytest
from source import ROOT

from livekit.cli import lab
from livekit.cli.main import main
from livekit.errors import ConfigError

SHIPPED = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_notebooks_are_copied_once_and_never_overwritten(tmp_path):
    folder = tmp_path / "mine" / "notebooks"
    assert lab.copy_notebooks(folder) == SHIPPED
    changed = folder / SHIPPED[0]
    changed.write_text("mine")
    (folder / SHIPPED[1]).unlink()
    assert lab.copy_notebooks(folder) == [SHIPPED[1]]
    assert changed.read_text() == "mine"


def test_folder_that_is_a_file_is_refused_with_another_way(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="give another folder with 'livekit lab FOLDER'"):
        lab.copy_notebooks(tmp_path / "taken")


def test_command_opens_the_quickstart_and_asks_for_no_news(tmp_path):
    lab.copy_notebooks(tmp_path)
    command = lab.lab_command(tmp_path, port=8901, has_browser=False, is_root=False)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.default_url=/lab/tree/01_quickstart.ipynb",
        "--LabApp.news_url=None",
        "--ServerApp.port=8901",
        "--ServerApp.port_retries=0",
        "--ServerApp.open_browser=False",
    } <= set(command)
    plain = lab.lab_command(tmp_path / "empty", port=None, has_browser=True, is_root=True)
    assert "--LabApp.default_url=/lab" in plain
    assert "--ServerApp.allow_root=True" in plain
    assert not [option for option in plain if "port" in option]


@pytest.mark.parametrize(("found", "said"), [(None, "not installed"), ("3.6.1", "is too old")])
def test_missing_jupyterlab_is_named_with_the_line_that_installs_it(
    monkeypatch, tmp_path, capsys, found, said
):
    def version(name):
        if found is None:
            raise lab.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(lab, "version", version)
    assert main(["lab", str(tmp_path / "new")]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert "pip install 'livekit-trading[notebook]'" in error
    assert not (tmp_path / "new").exists()
