"""``livekit abi``: the layouts of the shared memory as a C header.

Layer 5.
"""

import argparse
from pathlib import Path
from typing import Any

from livekit.cli.output import add_json, print_json

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    parser = commands.add_parser("abi", help="print the shared-memory layouts as a C header")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it to a file instead")
    parser.set_defaults(run=_abi)
    add_json(parser)


def _abi(options: argparse.Namespace) -> None:
    from livekit.events import ABI
    from livekit.ring.abi import c_header

    text = c_header()
    if options.out:
        options.out.write_text(text)
    if options.json:
        print_json({"abi": ABI, "header": text})
    elif options.out:
        print(f"wrote {options.out} (ABI {ABI})")
    else:
        print(text, end="")
