"""``livekit okx-sim``: an OKX v5 exchange on loopback, moved by recorded data.

Layer 5.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from livekit.cli.output import add_json, print_json
from livekit.errors import ConfigError

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the command of this module."""
    parser = commands.add_parser("okx-sim", help="an OKX exchange on loopback, for tests and demos")
    parser.add_argument("--port", type=int, default=0, help="port (default: 0, a free one)")
    parser.add_argument(
        "--data", default="replay_data", metavar="DIR", help="what moves the market"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="K",
        help="multiple of recorded time; 0 stands still (default: 1)",
    )
    parser.add_argument(
        "--once", action="store_true", help="stay at the end of the data instead of starting again"
    )
    parser.add_argument("--no-limits", action="store_true", help="keep no rate limits")
    parser.add_argument(
        "--ready-file", type=Path, metavar="F", help="write addresses and keys there as JSON"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    try:
        import aiohttp  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigError(
            "okx-sim needs aiohttp, which is not installed; pip install 'livekit-trading[sim]'"
        ) from None
    import asyncio

    asyncio.run(_serve(options, str(Path(options.data).expanduser())))


async def _serve(options: argparse.Namespace, data: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    import asyncio
    import signal

    from livekit.okxsim.exchange import Exchange

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    exchange = Exchange(
        data,
        port=options.port,
        speed=options.speed,
        is_looped=not options.once,
        has_limits=not options.no_limits,
    )
    async with exchange:
        _announce(exchange.urls, options)
        await stop.wait()


def _announce(urls: dict[str, Any], options: argparse.Namespace) -> None:
    """Print where the exchange is; a ready file appears whole or not at all."""
    if options.ready_file is not None:
        draft = options.ready_file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(urls))
        draft.rename(options.ready_file)
    if options.json:
        print_json(urls)
    else:
        print(f"okx-sim listens on {urls['url']}")
        for name in ("public", "private", "business"):
            print(f"  {name:9}{urls[name]}")
        for key in urls["keys"]:
            kind = "demo" if key["is_demo"] else "live"
            print(f"  key {key['key']:14}{key['secret']:16}{key['passphrase']:14}{kind}")
    # Whoever reads a pipe waits for this.
    print(end="", flush=True)
