"""``livekit lab``: JupyterLab on the notebooks.

The notebooks that ship with livekit are copied to where the user can write, unless they
are there; what is there is never overwritten. JupyterLab runs in the foreground, as when
it is started by hand, without its news and its look for updates.
Layer 5.
"""

import argparse
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from livekit.bundled import bundled
from livekit.cli.output import add_json, print_json
from livekit.errors import ConfigError

__all__ = ["add_parsers", "copy_notebooks", "lab_command"]

_FIRST: Final = "01_quickstart.ipynb"
_LEAST: Final = 4
_INSTALL: Final = "run pip install 'livekit-trading[notebook]'"


def add_parsers(commands: Any) -> None:
    """Register the command."""
    what = "open JupyterLab on the notebooks"
    parser = commands.add_parser("lab", help=what, description=what)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("notebooks"),
        help="where the notebooks are, or are copied to (default: notebooks)",
    )
    parser.add_argument("--port", type=int, help="of the server (default: 8888, or the next)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--allow-root", action="store_true", help="run as root, as in a container")
    add_json(parser)
    parser.set_defaults(run=_lab)


def _lab(options: argparse.Namespace) -> int:
    _check_jupyterlab()
    folder = options.folder.expanduser().absolute()
    copied = copy_notebooks(folder)
    command = lab_command(
        folder,
        port=options.port,
        has_browser=not options.no_browser,
        is_root=options.allow_root,
    )
    if options.json:
        print_json({"folder": str(folder), "copied": copied, "command": command})
    elif copied:
        print(f"copied {len(copied)} notebooks to {str(folder)!r}; they are yours to change")
    return _run(command, folder)


def _check_jupyterlab() -> None:
    try:
        found = version("jupyterlab")
    except PackageNotFoundError:
        raise ConfigError(f"JupyterLab is not installed; {_INSTALL}") from None
    if int(found.split(".")[0]) < _LEAST:
        raise ConfigError(f"JupyterLab {found} is too old, expected {_LEAST} or later; {_INSTALL}")
    if find_spec("ipywidgets") is None:
        raise ConfigError(f"ipywidgets is not installed, so no slider would show; {_INSTALL}")


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the bundled notebooks that a folder does not have; return their names.

    Raises
    ------
    ConfigError
        The folder cannot be written to.
    """
    source = bundled("notebooks")
    copied = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.glob("*.ipynb")):
            target = folder / path.name
            if not target.exists():
                target.write_bytes(path.read_bytes())
                copied.append(path.name)
    except OSError as error:
        raise ConfigError(
            f"notebooks cannot be copied to {str(folder)!r}: {error}; give another folder with "
            "'livekit lab FOLDER'"
        ) from error
    return copied


def lab_command(folder: Path, *, port: int | None, has_browser: bool, is_root: bool) -> list[str]:
    """Return the command that starts JupyterLab on a folder.

    Parameters
    ----------
    folder : Path
    port : int, optional
        Exactly this one; by default 8888 or the next that is free.
    has_browser : bool
        Whether to open one.
    is_root : bool
        Whether it may run as root.
    """
    first = f"/lab/tree/{_FIRST}" if (folder / _FIRST).exists() else "/lab"
    options: dict[str, Any] = {
        "ServerApp.root_dir": folder,
        "LabApp.default_url": first,
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    if port is not None:
        options |= {"ServerApp.port": port, "ServerApp.port_retries": 0}
    if not has_browser:
        options["ServerApp.open_browser"] = False
    if is_root:
        options["ServerApp.allow_root"] = True
    command = [sys.executable, "-m", "jupyterlab"]
    return command + [f"--{name}={value}" for name, value in options.items()]


def _run(command: list[str], folder: Path) -> int:
    """Run it to its end; Ctrl-C is JupyterLab's, which asks whether it is meant."""
    # Cells call `livekit`, also where nobody has activated the environment it lies in.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"PATH": path}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
