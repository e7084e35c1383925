"""``livekit report``: a saved run as one HTML file.

Layer 5.
"""

import argparse
from pathlib import Path
from typing import Any

from livekit.cli.output import add_json, print_json
from livekit.errors import ConfigError

__all__ = ["add_parsers", "run_report"]


def add_parsers(commands: Any) -> None:
    """Register the command of this module."""
    what = "write a saved run's report: one HTML file that needs no network"
    parser = commands.add_parser("report", help=what, description=what)
    parser.add_argument("saved", metavar="RUN", help="a saved run's folder, or its name")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: RUN.html, here")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    add_json(parser)
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Write the report of a saved run."""
    from livekit.research.report.html import report
    from livekit.research.report.run import Run
    from livekit.research.report.saved import find_run

    folder = find_run(options.saved)
    run = Run.load(folder)
    written = report(run, options.out or Path(f"{folder.resolve().name}.html"))
    n_bytes = written.stat().st_size
    if options.json:
        print_json({"run": str(folder), "hash": run.hash, "report": str(written), "bytes": n_bytes})
    else:
        print(f"{written} written, {n_bytes / 1e6:.1f} MB")
    if options.open:
        _show(written)
    return 0


def _show(written: Path) -> None:
    import webbrowser

    if not webbrowser.open(written.resolve().as_uri()):
        raise ConfigError(f"no browser could be started; open {str(written)!r} yourself")
