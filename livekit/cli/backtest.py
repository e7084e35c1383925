"""``livekit backtest``: a strategy's file over recorded data, saved as a run.

What ran is never lost: Ctrl-C ends the run at the event in hand, the part until then is
saved and marked partial, and the exit code is 130; a strategy that fails too often is
saved likewise, and its error is the command's.
Layer 5.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.cli.output import make_table, print_json, print_rich
from livekit.cli.run_options import (
    add_data,
    add_market,
    add_strategy,
    choose,
    finish_first,
    open_data,
    read_settings,
)
from livekit.errors import ConfigError, NotFoundError, StrategyError

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["add_parsers"]

_INTERRUPTED: Final = 130
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Result": (
        *("net_pnl", "total_return_pct", "market_return_pct", "sharpe", "max_drawdown_pct"),
        *("n_trades", "win_rate_pct", "profit_factor", "mean_holding_s", "time_in_market_pct"),
    ),
    "Costs": (
        *("gross_pnl", "fees_paid", "rebates", "fees_bps", "funding", "slippage_cost", "volume"),
        *("turnover_ratio", "max_leverage"),
    ),
    "Execution": (
        *("n_orders", "n_fills", "n_rejected", "fill_ratio_quantity_pct", "maker_ratio_pct"),
        *("time_to_fill_p50_s", "taker_effective_spread_bps", "markout_1s_bps"),
        *("markout_10s_bps", "arrival_slippage_bps"),
    ),
}


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    what = "run a strategy over recorded data; Ctrl-C keeps what ran until then"
    parser = commands.add_parser("backtest", help=what, description=what)
    add_strategy(parser)
    add_data(parser)
    add_market(parser)
    result = parser.add_argument_group("result")
    result.add_argument("--seed", type=int, default=0, help="of what is drawn by chance")
    result.add_argument("--name", default="", help="of the run (default: the class's)")
    result.add_argument("--save", type=Path, metavar="DIR", help="default: the folder of runs")
    result.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report too")
    result.add_argument(
        "--fan",
        action="store_true",
        help="with --report: run it under other assumptions of fills too, and show how much "
        "hangs on them",
    )
    parser.set_defaults(run=_backtest)


def _backtest(options: argparse.Namespace) -> int:
    _check_places(options)
    chosen = choose(options)
    data = open_data(options, chosen.declaration)
    settings = read_settings(options, data)
    from livekit.research.backtest import backtest

    try:
        run = backtest(
            chosen.cls,
            data,
            jit=options.jit,
            seed=options.seed,
            progress=False if options.json else None,
            name=options.name,
            settings=settings,
            **chosen.given,
        )
    except StrategyError as error:
        partial = getattr(error, "run", None)
        if partial is None:
            raise
        place = _save(partial, options)
        raise StrategyError(f"{error}; what ran until then is saved in {str(place)!r}") from error
    with finish_first():
        place = _save(run, options)
        if options.report:
            extra = {"fan": _fan(options, chosen, data, settings)} if options.fan else {}
            run.report(options.report, data=data, **extra)
        _print(run, place, options)
    return _INTERRUPTED if run.meta["is_partial"] else 0


def _fan(options: argparse.Namespace, chosen: Any, data: Any, settings: Any) -> Any:
    """Run the strategy under every assumption of fills."""
    from livekit.research.fan import ASSUMPTIONS, fan

    assumptions = {
        name: {"settings": replace(settings, **change)} for name, change in ASSUMPTIONS.items()
    }
    shown = False if options.json else None
    given = {**chosen.given, "jit": options.jit, "seed": options.seed}
    return fan(chosen.cls, data, assumptions=assumptions, progress=shown, **given)


def _check_places(options: argparse.Namespace) -> None:
    """Refuse a place that the result cannot go to, before anything has run."""
    save, report = options.save, options.report
    if options.fan and report is None:
        raise ConfigError("--fan shows its result in the report; give --report FILE too")
    if save is not None and save.exists():
        is_run = save.is_dir() and ((save / "run.json").is_file() or not any(save.iterdir()))
        if not is_run:
            raise ConfigError(
                f"{str(save)!r} is there and is no saved run; choose another folder or remove it"
            )
    if report is not None and report.is_dir():
        raise ConfigError(f"report {str(report)!r} is a folder, expected the path of a file")
    if report is not None and not report.absolute().parent.is_dir():
        raise NotFoundError(
            f"the folder of report {str(report)!r} does not exist; make it, or choose another"
        )


def _save(run: "Run", options: argparse.Namespace) -> Path:
    from livekit.research.report.saved import new_folder

    return run.save(options.save or new_folder(run.name, run.meta["started"]))


def _print(run: "Run", place: Path, options: argparse.Namespace) -> None:
    report = str(options.report) if options.report else None
    if options.json:
        print_json(run.to_dict() | {"path": str(place), "report": report})
        return
    from rich.columns import Columns

    print(_headline(run))
    print_rich(Columns([_table(run, group) for group in _GROUPS], padding=(0, 4)))
    if run.meta["is_partial"]:
        print("interrupted: this is the part until then")
    print(f"saved in {place}" + (f", report in {report}" if report else ""))
    name = place.name if options.save is None else str(place)
    print(f"next: livekit report {name}; livekit runs; lk.run({name!r}) in a notebook")


def _headline(run: "Run") -> str:
    from livekit.research.report.card import format_value

    meta, stat = run.meta, run.stat
    mode = "compiled" if meta["jit"] else "interpreted"
    params = ", ".join(f"{name}={value:g}" for name, value in meta["params"].items())
    label = f"{run.name}: " * (run.name != meta["strategy"]) + f"{meta['strategy']} "
    n_events, wall_s = meta["counts"]["events"], meta["wall_s"]
    return (
        f"{label}{meta['code_hash']}, {mode}; {params or 'no parameters'}\n"
        f"{', '.join(run.rows.symbols)}, {format_value(stat('start'))} to "
        f"{format_value(stat('end'))} UTC, latency {meta['models']['latency']}, queue "
        f"{meta['models']['queue']}, fees {meta['models']['maker']:g} / "
        f"{meta['models']['taker']:g}\n"
        f"{n_events:,} events in {wall_s:.2f} s; orders and fills {run.hash}"
    )


def _table(run: "Run", group: str) -> Any:
    from rich.markup import escape

    from livekit.research.report import statistics
    from livekit.research.report.card import format_value

    interval = run.rows.interval_ns
    labels = {key: statistics.label(statistics.find(key), interval) for key in _GROUPS[group]}
    # A unit in brackets would be read as rich's markup.
    rows = [(escape(label), format_value(run.stat(key))) for key, label in labels.items()]
    return make_table((group, ">"), rows)
