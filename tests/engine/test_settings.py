"""Settings: where each comes from, and what a wrong one says."""

import pytest

from livekit.engine.settings import EngineSettings, load_settings
from livekit.errors import ConfigError, NotFoundError


def test_overrides_beat_environment_and_environment_beats_file(tmp_path, monkeypatch):
    file = tmp_path / "livekit.toml"
    file.write_text("[engine]\ncash = 1.0\nmaker = 0.1\ntaker = 0.2\n[risk]\nmax_open_orders = 3\n")
    monkeypatch.setenv("LIVEKIT__ENGINE__MAKER", "0.3")
    monkeypatch.setenv("LIVEKIT__ENGINE__SYMBOLS", "BTC-USDT,ETH-USDT")
    settings = load_settings(file, {"taker": 0.4, "cash": None})
    assert (settings.cash, settings.maker, settings.taker) == (1.0, 0.3, 0.4)
    assert settings.symbols == ["BTC-USDT", "ETH-USDT"]
    assert settings.risk == {"max_open_orders": 3}


def test_settings_survive_the_way_to_the_engine_process():
    settings = EngineSettings(name="a", symbols=["X-Y"], risk={"max_open_orders": 3.0})
    assert EngineSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engine\n", "is not TOML"),
        ("[engine]\nspeeed = 1\n", "unknown setting 'speeed'"),
        ("[motor]\nspeed = 1\n", "unknown setting 'motor'"),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "livekit.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(file, {})


def test_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="does not exist"):
        load_settings(tmp_path / "no.toml", {})


def test_wrong_environment_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("LIVEKIT__ENGINE__CASH", "plenty")
    with pytest.raises(ConfigError, match="LIVEKIT__ENGINE__CASH is 'plenty', expected a float"):
        load_settings(None, {})
