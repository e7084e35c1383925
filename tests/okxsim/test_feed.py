"""The recording as the market: at its end it starts again, or stays; bad options are refused."""

import asyncio

import pytest

from livekit.errors import ConfigError, NotFoundError
from livekit.okxsim.exchange import Exchange


def events_after(recording, wanted, **options):
    async def main():
        async with Exchange(str(recording), speed=10_000.0, **options) as exchange:
            replay = exchange.feed._replay
            for _ in range(1000):
                if exchange.feed.n_events >= wanted(replay):
                    break
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            return exchange.feed.n_events, replay.n_events, exchange.world.listings

    return asyncio.run(main())


def test_data_starts_again_at_its_end(recording):
    n_events, n_recorded, _ = events_after(
        recording, lambda replay: replay.n_events + 10, history_s=0.0
    )
    assert n_events > n_recorded


def test_data_stays_at_its_end_where_asked(recording):
    n_events, n_recorded, listings = events_after(
        recording, lambda replay: replay.n_events, history_s=0.0, is_looped=False
    )
    assert n_events == n_recorded
    assert {one.symbol for one in listings} >= {"BTC-USDT", "BTC-USDT-SWAP", "LTC-USDT"}


def test_recorded_swap_is_not_listed_twice():
    from livekit.instruments import Instrument
    from livekit.okxsim.listings import list_instruments

    spot = Instrument("BTC-USDT", 0.1, 0.00001, 0.00001)
    swap = Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, contract_value=0.01, kind="swap")
    names = [one.symbol for one in list_instruments([spot, swap])]
    assert names[:2] == ["BTC-USDT", "BTC-USDT-SWAP"]
    assert len(names) == len(set(names))


def test_bad_options_are_refused(recording, tmp_path):
    with pytest.raises(ConfigError):
        Exchange(str(recording), speed=-1.0)
    with pytest.raises(ConfigError):
        Exchange(str(recording), environment="paper")
    with pytest.raises(NotFoundError):
        Exchange(str(tmp_path))


def test_port_in_use_is_a_configuration_error(recording):
    async def main():
        async with Exchange(str(recording), speed=0.0) as first:
            with pytest.raises(ConfigError, match="cannot be listened on"):
                await Exchange(str(recording), speed=0.0, port=first.port).__aenter__()

    asyncio.run(main())
