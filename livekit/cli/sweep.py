"""``livekit sweep``: many parameter sets of a strategy, ranked.

Ctrl-C ends it with the rows that are done, which are printed and written like all
others; the exit code is then 130.
Layer 5.
"""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.cli.output import make_table, print_json, print_rich
from livekit.cli.run_options import (
    add_data,
    add_market,
    add_strategy,
    choose,
    finish_first,
    market_of,
    open_data,
)
from livekit.cli.sweep_options import parse_grid, parse_where
from livekit.errors import ConfigError, DataError, NotFoundError, NotRunningError

if TYPE_CHECKING:
    from livekit.research.sweep_result import Sweep

__all__ = ["add_parsers"]

_INTERRUPTED: Final = 130
_SHOWN: Final = 10
_FORMATS: Final = (".parquet", ".csv")
_FIGURES: Final = ("net_pnl", "total_return_pct", "sharpe", "max_drawdown_pct", "n_fills")
_DASK: Final = "dask:"
_DASK_WAIT_S: Final = 10


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    what = "run a strategy with many parameter sets, and rank them"
    parser = commands.add_parser("sweep", help=what, description=what)
    add_strategy(parser)
    space = parser.add_argument_group("parameter sets")
    space.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="such as fast=0.05:0.5:0.05 or slow=0.01,0.02; once for each parameter",
    )
    space.add_argument("--where", metavar="CONDITION", help="keep only such, as in 'fast > slow'")
    space.add_argument("--random", type=int, metavar="N", help="N of them at random, not all")
    space.add_argument("--seed", type=int, default=0, help="of the choice at random")
    space.add_argument(
        "--score", default="sharpe", metavar="KEY", help="statistic to rank by (default: sharpe)"
    )
    work = parser.add_argument_group("work")
    work.add_argument("--workers", type=int, metavar="N", help="default: one for each processor")
    work.add_argument(
        "--executor",
        metavar="WHO",
        help="threads, processes or dask:ADDRESS (default: threads where compiled)",
    )
    work.add_argument("--out", type=Path, metavar="FILE", help="all rows, as .parquet or .csv")
    add_data(parser)
    add_market(parser)
    parser.set_defaults(run=_sweep, sample=None)


def _sweep(options: argparse.Namespace) -> int:
    _check_out(options.out)
    several = next((item for item in options.param if {",", ":"} & set(item)), None)
    if several:
        raise ConfigError(f"param {several!r} is not one value; to try several: --grid {several}")
    chosen = choose(options)
    grid = parse_grid(options.grid)
    if not grid:
        raise ConfigError("no grid is given; name values to try, such as --grid fast=0.05,0.1,0.2")
    both = [name for name in chosen.given if name in grid]
    if both:
        raise ConfigError(f"parameter {both[0]!r} has a value and a grid; give one of them")
    names = list(chosen.declaration.params)
    where = parse_where(options.where, names) if options.where else None
    data = open_data(options, chosen.declaration)
    market = market_of(options)
    if options.sample is None:  # as coarse as `sweep` thinks best
        del market["sample"]
    from livekit.research.sweep import sweep

    with _executor(options.executor) as executor:
        found = sweep(
            chosen.cls,
            data,
            where=where,
            score=options.score,
            method="grid" if options.random is None else "random",
            n=options.random,
            executor=executor,
            workers=options.workers,
            jit=options.jit,
            seed=options.seed,
            progress=False if options.json else None,
            params={**chosen.given, **grid},
            **market,
        )
    with finish_first():
        if options.out:
            _write(found, options.out)
        _print(found, options)
    return _INTERRUPTED if found.is_partial else 0


def _check_out(out: Path | None) -> None:
    """Refuse a place that the rows cannot go to, before anything has run."""
    if out is None:
        return
    if out.suffix not in _FORMATS:
        raise ConfigError(f"out is {str(out)!r}, expected a name in {' or '.join(_FORMATS)}")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise NotFoundError(
            f"out is {str(out)!r}, which is a folder or lies in none; choose another place"
        )


@contextlib.contextmanager
def _executor(name: str | None) -> Iterator[Any]:
    """Yield who works: None, a name that `sweep` knows, or the executor of a cluster."""
    if name is None or not name.startswith(_DASK):
        yield name
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "executor dask needs Dask; install it with: pip install 'livekit-trading[cluster]'"
        ) from error
    address = name.removeprefix(_DASK)
    try:
        client = Client(address, timeout=_DASK_WAIT_S)
    except (OSError, ValueError) as error:
        raise NotRunningError(
            f"there is no Dask scheduler at {address!r} ({error}); start one with 'dask scheduler'"
        ) from error
    with client:
        yield client.get_executor()


def _write(found: "Sweep", out: Path) -> None:
    staged = out.with_name(f".writing-{os.getpid()}-{out.name}")
    try:
        if out.suffix == ".csv":
            found.frame.to_csv(staged)
        else:
            found.frame.to_parquet(staged)
        staged.replace(out)
    except OSError as error:
        raise DataError(
            f"rows cannot be written to {str(out)!r} ({error.strerror or error}); free space or "
            "permit writing, or choose another place"
        ) from error
    finally:
        staged.unlink(missing_ok=True)


def _print(found: "Sweep", options: argparse.Namespace) -> None:
    frame, done = found.frame, f"{len(found):,} of {found.n_sets:,} parameter sets"
    best: dict[str, float] | None = None
    with contextlib.suppress(NotFoundError):  # no row has a finite score
        best = found.best_params
    if options.json:
        rows = frame.reset_index().to_dict("records")
        print_json(
            {
                "file": str(options.file),
                "score": found.score,
                "n_sets": found.n_sets,
                "is_partial": found.is_partial,
                "wall_s": found.wall_s,
                "best": best,
                "rows": [{name: _plain(one) for name, one in row.items()} for row in rows],
                "out": str(options.out) if options.out else None,
            }
        )
        return
    print(f"{options.file}: {done} in {found.wall_s:.1f} s, ranked by {found.score}")
    print_rich(_table(found))
    failed = int((frame["error"] != "").sum())
    if failed:
        print(f"{failed} failed, the first: {frame.loc[frame['error'] != '', 'error'].iloc[0]}")
    if found.is_partial:
        print("interrupted: these are the sets that were done")
    if options.out:
        print(f"all rows in {options.out}")
    if best:
        given = [pair.partition("=")[0].strip() for pair in options.param]
        params = " ".join(f"--param {name}={best[name]:.12g}" for name in [*given, *found.params])
        print(f"next: livekit backtest {options.file} --data {options.data} {params}")


def _plain(value: Any) -> Any:
    """Return a cell as JSON takes it: a time as text, one that never came as None."""
    if hasattr(value, "isoformat"):
        return value.isoformat() if value == value else None  # noqa: PLR0124 - NaT is not itself
    return value.item() if hasattr(value, "item") else value


def _table(found: "Sweep") -> Any:
    from livekit.research.report.card import format_value

    done = found.frame[found.frame["error"] == ""]
    ranked = done.sort_values(found.score, ascending=False, kind="stable").head(_SHOWN)
    figures = [name for name in _FIGURES if name in ranked and name != found.score]
    names = [*found.params, found.score, *figures]
    rows = [tuple(format_value(row[name]) for name in names) for _, row in ranked.iterrows()]
    return make_table([f">{name}" for name in names], rows)
