"""``livekit``: reads the arguments, runs one command, prints its result or its error.

Each group of commands is a module with `add_parsers`; what a command needs is imported
when it runs, so that help is instant. Every command takes ``--json``. Exit codes: 0 done,
1 error, 2 not found, 3 not running, 4 bad configuration, 5 timed out.
Layer 5.
"""

import argparse
import os
import sys
from typing import Final, NoReturn

import livekit
from livekit.cli import (
    backtest,
    bench,
    data,
    demo,
    doctor,
    engines,
    lab,
    okx_sim,
    record,
    reference,
    report,
    runs,
    strategies,
    sweep,
    trading,
    verify,
)
from livekit.cli.output import print_error
from livekit.errors import LivekitError

__all__ = ["build_parser", "main"]

_BAD_CONFIGURATION: Final = 4
_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have livekit's exit code and name the command's help."""

    def error(self, message: str) -> NoReturn:
        """Print one line and end with the code for bad configuration."""
        if "--json" in sys.argv:
            print_error("ConfigError", message, _BAD_CONFIGURATION, as_json=True)
        else:
            print(f"livekit: {message}; see '{self.prog} --help'", file=sys.stderr)
        sys.exit(_BAD_CONFIGURATION)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="livekit",
        description="Research to live trading: write a strategy once, replay it, attach it.",
        epilog="Exit codes: 0 done, 1 error, 2 not found, 3 not running, 4 bad configuration, "
        "5 timed out.",
    )
    parser.add_argument("--version", action="version", version=f"livekit {livekit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = (
        demo,
        backtest,
        sweep,
        verify,
        runs,
        report,
        engines,
        strategies,
        trading,
        data,
        record,
        okx_sim,
        doctor,
        lab,
        bench,
        reference,
    )
    for group in groups:
        group.add_parsers(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except LivekitError as error:
        print_error(type(error).__name__, str(error), error.exit_code, as_json=options.json)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
