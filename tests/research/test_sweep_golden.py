"""The published sweep: 100 pairs of averages over 2,000,000 quotes, through `lk.sweep`."""

from pathlib import Path

import numpy as np
import pytest
from golden_rig import COIN, MARKET_MAKER, make_events

from livekit.events import QUOTE, Kind
from livekit.research.data import Data
from livekit.research.sweep import sweep

pytestmark = pytest.mark.skipif(not MARKET_MAKER.exists(), reason="the market is not here")

WORK = Path(__file__).parents[1] / "bench" / "works" / "ema_cross.py"


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    events = make_events(tmp_path_factory.mktemp("market"))
    at = np.flatnonzero(events["kind"] == 0)
    events = events[at]
    rows = np.zeros(len(events), QUOTE)
    rows["kind"], rows["sequence"] = int(Kind.QUOTE), at
    rows["ts_event"] = rows["ts_recv"] = events["ts"]
    for name, column in zip(
        ("bid_price", "ask_price", "bid_size", "ask_size"), "abcd", strict=True
    ):
        rows[name] = events[column]
    return Data.from_arrays({("BTC-USDT", "quote"): rows}, [COIN])


def test_sweep_of_100_pairs_gives_the_published_orders_and_profit(quotes):
    found = sweep(
        WORK,
        quotes,
        fast=range(20, 201, 20),
        slow=range(250, 701, 50),
        jit=True,
        maker=0.0,
        taker=0.0005,
        unlimited_depth=True,
    )
    assert quotes.n_events == 2_000_000
    assert len(found) == 100
    assert int(found.frame["n_orders"].sum()) == 675_376
    assert int(found.frame["n_fills"].sum()) == 675_376
    assert found.frame["net_pnl"].sum() == pytest.approx(-338_777.4086, abs=5e-5)
