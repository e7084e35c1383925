"""``livekit attach|detach|ps|logs|params``: strategies of a running engine.

Layer 5.
"""

import argparse
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from livekit.cli.engines import add_engine, strategy_tables
from livekit.cli.output import print_json, print_rich, print_table
from livekit.errors import ConfigError, NotFoundError

__all__ = ["add_parsers"]

_FOLLOW_EVERY_S: Final = 0.1


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    _add_attach(commands)
    detach = commands.add_parser("detach", help="stop a strategy")
    detach.add_argument("name", metavar="NAME")
    detach.set_defaults(run=_detach)
    ps = commands.add_parser("ps", help="list the strategies of an engine")
    ps.add_argument("--state", metavar="NAME", help="show this strategy's state and parameters")
    ps.set_defaults(run=_ps)
    logs = commands.add_parser("logs", help="show a strategy's log")
    logs.add_argument("name", metavar="NAME", help="strategy's name, or _engine for the engine's")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines are written")
    logs.add_argument("-n", "--lines", type=int, default=20, help="lines to show (default: 20)")
    logs.set_defaults(run=_logs)
    params = commands.add_parser("params", help="change hot parameters of a running strategy")
    params.add_argument("name", metavar="NAME")
    params.add_argument("values", nargs="+", metavar="PARAM=VALUE")
    params.set_defaults(run=_params)
    for parser in (detach, ps, logs, params):
        add_engine(parser)


def _add_attach(commands: Any) -> None:
    parser = commands.add_parser("attach", help="run a strategy against a running engine")
    parser.add_argument("file", type=Path, metavar="FILE", help="such as strategies/momentum.py")
    parser.add_argument("--name", default="", help="its name in the engine (default: the file's)")
    parser.add_argument("--class", dest="class_name", default="", help="if FILE has several")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--jit", action="store_true", help="run it compiled")
    parser.add_argument(
        "--wait", default="laptop", help="how it waits: laptop, server or spin (default: laptop)"
    )
    parser.add_argument("--policy", default="", help="what its full ring does: drop, alert, block")
    parser.add_argument(
        "--first-event", action="store_true", help="return when it has handled its first event"
    )
    parser.set_defaults(run=_attach)
    add_engine(parser)


def _attach(options: argparse.Namespace) -> None:
    from livekit.engine.attach import AttachRequest, attach
    from livekit.ring.segment import Phase

    request = AttachRequest(
        file=options.file,
        name=options.name,
        class_name=options.class_name,
        params=tuple(options.param),
        jit=options.jit,
        wait=options.wait,
        policy=options.policy,
    )
    until = Phase.RUNNING if options.first_event else Phase.STARTED
    started = time.monotonic()
    facts = attach(options.engine, request, until=until)
    facts["seconds"] = round(time.monotonic() - started, 3)
    if options.json:
        print_json(facts)
        return
    params = ", ".join(f"{name}={value:g}" for name, value in facts["params"].items())
    print(
        f"{facts['name']} attached to engine {facts['engine']!r} (pid {facts['pid']}, "
        f"{facts['mode']}, {facts['class']} {facts['hash']}) in {facts['seconds']:.2f} s\n"
        f"symbols {', '.join(facts['symbols']) or 'all'}; {params or 'no parameters'}\n"
        f"next: livekit ps; livekit logs -f {facts['name']}; livekit detach {facts['name']}"
    )


def _detach(options: argparse.Namespace) -> None:
    from livekit.engine.attach import detach

    answer = detach(options.engine, options.name)
    if options.json:
        print_json(answer)
    else:
        print(f"{options.name} detached; its open orders are canceled")


def _ps(options: argparse.Namespace) -> None:
    if options.state:
        _show_state(options)
        return
    from livekit.engine.client import call

    rows = call(options.engine, "ps")["strategies"]
    if options.json:
        print_json({"strategies": rows})
    elif rows:
        print_rich(*strategy_tables(rows))
    else:
        print("no strategy is attached; attach one with 'livekit attach strategies/momentum.py'")


def _show_state(options: argparse.Namespace) -> None:
    """Read a strategy's state out of shared memory; works while it trades or hangs."""
    from livekit.engine.folder import require_running, segment_paths
    from livekit.ring.segment import Segment
    from livekit.ring.state import state_of

    folder = require_running(options.engine)
    names = [path.name for path in segment_paths(folder)]
    if options.state not in names:
        raise NotFoundError(
            f"strategy {options.state!r} is not attached to engine {options.engine!r}; attached: "
            f"{', '.join(names) or 'none'}"
        )
    state = state_of(Segment.attach(folder / options.state))
    if options.json:
        print_json(state)
        return
    print_table(("state", "value"), [(name, _text(v)) for name, v in state["state"].items()])
    print_table(("parameter", "value"), [(name, _text(v)) for name, v in state["params"].items()])


def _text(value: Any) -> str:
    if isinstance(value, list):
        head = ", ".join(f"{item:g}" for item in value[:6])
        return f"[{head}{', …' if len(value) > 6 else ''}] ({len(value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _params(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    values = dict(_split(item) for item in options.values)
    answer = call(options.engine, "params", name=options.name, values=values)
    if options.json:
        print_json(answer)
    else:
        changed = ", ".join(f"{name}={answer['values'][name]:g}" for name in values)
        print(f"{options.name}: {changed} from its next event on (version {answer['version']})")


def _split(item: str) -> tuple[str, float]:
    name, found, text = item.partition("=")
    try:
        return name.strip(), float(text)
    except ValueError:
        problem = f"{text!r} is not a number" if found else "there is no '='"
        raise ConfigError(f"parameter {item!r} is not NAME=VALUE: {problem}") from None


def _logs(options: argparse.Namespace) -> None:
    from livekit.engine.folder import log_path

    path = log_path(options.engine, options.name)
    if not path.exists():
        names = ", ".join(sorted(item.stem for item in path.parent.glob("*.log"))) or "none"
        raise NotFoundError(
            f"there is no log of {options.name!r} for engine {options.engine!r}; logs: {names}"
        )
    with path.open(errors="replace") as lines:
        tail = [line.rstrip("\n") for line in deque(lines, maxlen=max(0, options.lines))]
        if options.json and not options.follow:
            print_json({"name": options.name, "path": str(path), "lines": tail})
            return
        for line in tail:
            print(line)
        while options.follow:
            line = lines.readline()
            if line:
                print(line, end="", flush=True)
            else:
                time.sleep(_FOLLOW_EVERY_S)
