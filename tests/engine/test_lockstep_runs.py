"""A lock-step replay through real processes gives the run of the backtest, to the bit."""

from pathlib import Path

import backtests
import pytest
from engines import DAY, Engines, eventually, fork_strategy, status

import livekit as lk
from livekit.config import state_root
from livekit.engine.launch import stop_engine
from livekit.research.report.run import Run
from livekit.store.catalog import Catalog

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

TESTS = Path(__file__).parents[1]
BUNDLED = TESTS.parent / "strategies"
ACTING = TESTS / "research" / "acting.py"
DECIDING = TESTS / "process" / "deciding.py"
LATENCIES = ("", "order=2ms,response=1ms", "feed=4ms,order=3ms,response=2ms", "feed=recorded")
SAMPLE = "100ms"
EIGHT_HOURS_NS = 8 * 3_600_000 * backtests.MS


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Record a random market of three instruments; return its folder."""
    folder = tmp_path_factory.mktemp("market")
    catalog = Catalog(folder)
    market = backtests.Market(11, 3)
    market.ts += EIGHT_HOURS_NS - 700_000 * backtests.MS  # funding is paid in the middle of it
    arrays = market.arrays(6000)
    catalog.write_all({(symbol, kind, DAY): rows for (symbol, kind), rows in arrays.items()})
    catalog.write_instruments(list(backtests.INSTRUMENTS))
    return folder


@pytest.fixture
def replay(runtime_dir, recorded):
    """Give a function that replays the market in lock-step and returns the runs by name."""
    engines = Engines(recorded)

    def run(*strategies, **settings):
        engines.start(speed="lockstep", wait_for=len(strategies), sample=SAMPLE, **settings)
        for name, file, jit, params in strategies:
            fork_strategy(file, name, *(f"{k}={v}" for k, v in params.items()), jit=jit)
        eventually(lambda: status()["state"] == "finished", "end of the replay", 120)
        eventually(lambda: all(item["queued"] == 0 for item in status()["strategies"]))
        eventually(is_at_rest, "end of what is under way")
        stop_engine("main")
        found = [Run.load(path) for path in (state_root() / "runs").iterdir()]
        return {run.name: run for run in found}

    yield run
    engines.stop_all()
    assert engines.leftovers(runtime_dir) == []


def is_at_rest():
    """Tell whether two looks at the engine show the same counts."""
    first = status()
    return first == status() or (
        [one["received"] for one in first["strategies"]]
        == [one["received"] for one in status()["strategies"]]
    )


def backtest(file, recorded, jit, latency, params, **options):
    return lk.backtest(
        file,
        lk.load(recorded),
        jit=jit,
        latency=lk.Latency.parse(latency),
        sample=SAMPLE,
        **options,
        **params,
    )


def assert_same(replayed, expected, n_fills=20):
    assert replayed.differences(expected) == []
    assert replayed.hash == expected.hash
    assert replayed.marks.tobytes() == expected.marks.tobytes()
    assert len(expected.fill_rows) >= n_fills
    for name in ("requests", "cancels", "modifies", "rejects", "events", "errors"):
        assert replayed.meta["counts"][name] == expected.meta["counts"][name], name
    assert replayed.meta["kind"] == "lockstep"
    for name in ("params", "code_hash", "models", "cash", "marks", "sample_ns", "stopped_ns"):
        assert replayed.meta[name] == expected.meta[name], name


@pytest.mark.parametrize("latency", LATENCIES, ids=lambda text: text or "none")
@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_replay_equals_the_backtest(replay, recorded, latency, jit):
    params = {"pace": 5, "size": 0.1}
    runs = replay(("acting", ACTING, jit, params), latency=latency)
    assert_same(runs["acting"], backtest(ACTING, recorded, not jit, latency, params))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("momentum", {"fast": 0.5, "slow": 0.1, "band_bps": 0.0, "warm_up": 5, "size": 0.01}),
        ("mean_reversion", {"window": 16, "entry": 1.0, "edge_bps": 0.0}),
        ("pairs", {"weight": 0.05, "warm_up": 10, "entry": 0.5, "edge_bps": 0.0}),
    ],
)
@pytest.mark.parametrize("latency", LATENCIES[:3:2], ids=lambda text: text or "none")
def test_replay_of_a_bundled_strategy_equals_its_backtest(replay, recorded, name, params, latency):
    file = BUNDLED / f"{name}.py"
    runs = replay((name, file, False, params), latency=latency)
    assert_same(runs[name], backtest(file, recorded, True, latency, params), n_fills=3)


@pytest.mark.parametrize("latency", LATENCIES[:3:2], ids=lambda text: text or "none")
def test_replay_pays_the_funding_of_its_backtest(replay, recorded, latency):
    params = {"pace": 5, "size": 0.1}
    runs = replay(("acting", ACTING, True, params), latency=latency, funding=0.0003)
    expected = backtest(ACTING, recorded, False, latency, params, funding=0.0003)
    assert_same(runs["acting"], expected)
    assert expected.meta["models"]["funding"] == "1 payments"
    assert expected.equity_rows["funding"][-1] != 0.0
    gaps = runs["acting"].meta["data"]["gaps"]
    assert gaps == expected.meta["data"]["gaps"]
    assert len(gaps) > 10


def test_settings_of_the_engine_are_those_of_the_backtest(replay, recorded):
    params = {"pace": 4, "size": 0.2}
    runs = replay(
        ("acting", ACTING, True, params),
        queue="log_prob",
        partial_fills=False,
        maker=-0.0001,
        taker=0.0004,
        cash=5_000.0,
        risk={"max_open_orders": 5, "orders_per_second": 30.0},
    )
    limits = lk.RiskLimits(max_open_orders=5, orders_per_second=30.0)
    expected = backtest(
        ACTING,
        recorded,
        False,
        "",
        params,
        queue="log_prob",
        partial_fills=False,
        maker=-0.0001,
        taker=0.0004,
        cash=5_000.0,
        limits=limits,
    )
    assert_same(runs["acting"], expected)


@pytest.mark.parametrize("latency", LATENCIES[:3], ids=lambda text: text or "none")
def test_two_strategies_at_once_each_have_the_run_of_their_own(replay, recorded, latency):
    """Small orders in front of their queues: what one takes, the other does not find."""
    slow = {"pace": 11, "size": 0.001, "start": 5}
    runs = replay(
        ("deciding", DECIDING, True, {"size": 0.001}),
        ("acting", ACTING, False, slow),
        latency=latency,
        queue="front",
    )
    alone = {
        "deciding": backtest(DECIDING, recorded, True, latency, {"size": 0.001}, queue="front"),
        "acting": backtest(ACTING, recorded, True, latency, slow, queue="front"),
    }
    for name, run in runs.items():
        found = [text for text in run.differences(alone[name]) if not is_last(text, run)]
        assert found == [], name


def is_last(text, run):
    """Tell whether a difference is the time at which the last sample was taken."""
    return text.startswith(f"equity row {len(run.equity_rows) - 1} ")
