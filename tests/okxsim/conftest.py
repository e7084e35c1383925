"""An exchange for tests: one per module, its market standing still unless asked."""

from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from livekit.okxsim.running import running_exchange

DATA = str(Path(__file__).parents[2] / "replay_data")


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=5.0, has_limits=False) as running:
        yield running
