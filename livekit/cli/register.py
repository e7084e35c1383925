"""The parent of a script that calls ``strategy.run()``: registers it, then leaves.

Started by the script itself as ``python -m livekit.cli.register --engine NAME --name NAME
--pipes R,W``, because a strategy's process opens no socket.
Layer 5.
"""

import argparse
import sys
import time

from livekit.cli.output import print_error
from livekit.config import DEFAULT_ENGINE
from livekit.engine.attach import introduce
from livekit.engine.folder import require_running
from livekit.errors import LivekitError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Introduce the process at the other end of the pipes to an engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=DEFAULT_ENGINE)
    parser.add_argument("--name", required=True)
    parser.add_argument("--policy", default="")
    parser.add_argument("--pipes", required=True)
    options = parser.parse_args(arguments)
    reader, writer = (int(part) for part in options.pipes.split(","))
    try:
        require_running(options.engine)
        introduce(
            options.engine, options.name, reader, writer, options.policy, time.monotonic() + 60.0
        )
    except LivekitError as error:
        print_error(type(error).__name__, str(error), error.exit_code, as_json=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
