"""The wheel: builds without the network, holds what runs and nothing else, says who it is."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string

import pytest
from source import ROOT

import livekit

pytest.importorskip("hatchling", reason="hatchling is in the dev extra")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_FROM = ("livekit", "strategies", "replay_data", "notebooks", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the tree, as a build from an archive does."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    copy.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "dist").iterdir()
    with zipfile.ZipFile(path) as archive:
        yield path, archive


def test_wheel_is_named_after_the_distribution_and_the_version(wheel):
    path, _ = wheel
    assert path.name == f"livekit_trading-{livekit.__version__}-py3-none-any.whl"


def test_wheel_holds_every_file_of_the_package(wheel):
    names = set(wheel[1].namelist())
    for path in (ROOT / "livekit").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names


def test_wheel_holds_what_is_read_at_run_time_beside_the_code(wheel):
    names = set(wheel[1].namelist())
    assert {
        "livekit/py.typed",
        "livekit/ring/abi.h.in",
        "livekit/bench/reference.cpp",
        "livekit/notebook/static/lightweight-charts/LICENSE",
        "livekit/_bundled/notebooks/01_quickstart.ipynb",
        "livekit/_bundled/strategies/momentum.py",
        "livekit/_bundled/strategies/mean_reversion.py",
        "livekit/_bundled/strategies/pairs.py",
        "livekit/_bundled/replay_data/okx/instruments.parquet",
        "livekit/_bundled/replay_data/okx/BTC-USDT/quote/2026-01-05.parquet",
        "livekit/_bundled/replay_data/okx/ETH-USDT/book/2026-01-05.parquet",
    } <= names


def test_wheel_holds_nothing_but_the_package(wheel):
    path, archive = wheel
    tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"livekit", f"livekit_trading-{livekit.__version__}.dist-info"}
    assert [name for name in archive.namelist() if name.endswith((".pyc", ".nbi", ".nbc"))] == []
    assert path.stat().st_size < 12 * 2**20


def test_metadata_says_licence_python_and_readme(wheel):
    name = f"livekit_trading-{livekit.__version__}.dist-info"
    metadata = message_from_string(wheel[1].read(f"{name}/METADATA").decode())
    assert metadata["Name"] == "livekit-trading"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "# livekit" in metadata.get_payload()
    licence = wheel[1].read(f"{name}/licenses/LICENSE").decode()
    assert licence == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence


def test_wheel_has_the_command(wheel):
    name = f"livekit_trading-{livekit.__version__}.dist-info"
    entry_points = wheel[1].read(f"{name}/entry_points.txt").decode()
    assert "livekit = livekit.cli.main:main" in entry_points


def test_wheel_runs_from_the_archive_without_the_tree(wheel, tmp_path):
    """Python imports from an archive, and the command reads its version out of it."""
    wheel[1].extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "livekit.cli.main", "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"livekit {livekit.__version__}\n", done.stderr


def test_run_time_dependencies_are_few_and_each_has_its_reason():
    assert len(PROJECT["dependencies"]) <= 6
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = [item for items in PROJECT["optional-dependencies"].values() for item in items]
    for requirement in PROJECT["dependencies"] + extras:
        lines = [line for line in text.splitlines() if f'"{requirement}",' in line]
        assert lines
        for line in lines:
            assert re.search(r"# \S+ \w+", line), f"{requirement} needs its reason beside it"


def test_every_import_of_the_package_is_a_dependency():
    import source

    known = {re.match(r"[\w-]+", item)[0].lower() for item in PROJECT["dependencies"]}
    known |= {"llvmlite"}  # Numba's own, of the version that it chooses
    known |= {"IPython", "plotly", "distributed", "dask"}  # where the user has them
    known |= {"aiohttp", "httpx", "websockets", "keyring"}  # of the extras sim, okx, keyring
    known |= {"anywidget", "ipywidgets", "traitlets"}  # of the extra notebook
    known |= {"jupyter_client", "nbformat", "playwright"}  # what livekit bench notebook drives
    known |= {"livekit"} | set(sys.stdlib_module_names)
    imported = {
        item.imported.split(".")[0]
        for name in source.modules()
        for item in source.imports_of(name)
        if not item.is_for_types and item.imported != "*"
    }
    assert imported - known == set()
