"""What an engine is started with.

Values come from the command line, then the environment as ``LIVEKIT__ENGINE__CASH``,
then a TOML file's ``[engine]`` and ``[risk]`` sections, then the defaults here.
Layer 4.
"""

import json
import os
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import msgspec

from livekit.config import DEFAULT_ENGINE
from livekit.errors import ConfigError, NotFoundError

__all__ = ["EngineSettings", "load_settings"]

_ENVIRONMENT: Final = "LIVEKIT__"


@dataclass(slots=True)
class EngineSettings:
    """Settings of one engine.

    Attributes
    ----------
    name : str
    source : str
        ``replay`` or ``okx``.
    data : str
        Folder of recorded data.
    venue : str
        Where orders go: ``paper``, ``demo`` or ``live``.
    env : str
        Of a live source: ``sim``, ``demo`` or ``live``.
    url : str
        Of a simulator, such as ``http://127.0.0.1:8000``.
    region : str
        Of the exchange's hosts: ``global``, ``eea`` or ``us``.
    key_file : str
        File of the account's key; empty: keyring, the environment's file, the variables.
    channels : list of str
        What a live source subscribes to for each instrument.
    speed : str
        Multiple of recorded time, ``max`` or ``lockstep``.
    symbols : list of str
        Instruments to serve; all of the recording when empty.
    wait : str
        How the engine waits: ``laptop``, ``server`` or ``spin``.
    wait_for : int
        Strategies to wait for before the first event.
    policy : str
        What a full ring does; empty: ``block`` where the replay is lossless, else ``drop``.
    cash, maker, taker : float
        Opening cash in quote units; fees as fractions of notional.
    latency : str
        Of the paper exchange, such as ``order=2ms,response=1ms,feed=500us``; empty for none.
    queue : str
        How resting orders fill on paper; a name of `QueueModel`, ``power_prob:3`` with an
        exponent.
    partial_fills : bool
        Whether an order on paper may fill in part.
    unlimited_depth : bool
        Let a taker on paper fill whole at the touch.
    funding : float
        Rate of every 8 hours for all swaps; 0 for none.
    sample : str
        Grid of the equity of recorded runs, such as ``1s``; empty: record no runs.
    raw : str
        Catalog folder to keep the raw frames of a live feed in; empty: none.
    clear_halt : bool
        Whether an engine at a venue may trade although an earlier one was halted.
    owner_pid : int
        Process whose end ends the engine; 0 for none.
    risk : dict
        Limits by name, for every strategy.
    """

    name: str = DEFAULT_ENGINE
    source: str = "replay"
    data: str = "replay_data"
    venue: str = "paper"
    env: str = "live"
    url: str = ""
    region: str = "global"
    key_file: str = ""
    channels: list[str] = field(default_factory=list)
    speed: str = "1"
    symbols: list[str] = field(default_factory=list)
    wait: str = "laptop"
    wait_for: int = 0
    policy: str = ""
    cash: float = 100_000.0
    maker: float = 0.0002
    taker: float = 0.0005
    latency: str = ""
    queue: str = "risk_averse"
    partial_fills: bool = True
    unlimited_depth: bool = False
    funding: float = 0.0
    sample: str = "1s"
    raw: str = ""
    clear_halt: bool = False
    owner_pid: int = 0
    risk: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the settings for the engine's process."""
        # Not msgspec: it writes an infinite limit as null.
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "EngineSettings":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def load_settings(path: Path | None, overrides: dict[str, Any]) -> EngineSettings:
    """Merge defaults, a TOML file, the environment and `overrides` (None: not given).

    Raises
    ------
    NotFoundError
        The file does not exist.
    ConfigError
        It is no TOML, or names a setting that does not exist.
    """
    merged: dict[str, Any] = {}
    known = {item.name: item for item in fields(EngineSettings)}
    if path is not None:
        merged.update(_from_file(path, set(known)))
    for name in known:
        text = os.environ.get(f"{_ENVIRONMENT}ENGINE__{name.upper()}")
        if text is not None:
            merged[name] = _convert(name, text)
    merged.update({name: value for name, value in overrides.items() if value is not None})
    return EngineSettings(**merged)


def _from_file(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise NotFoundError(f"configuration {str(path)!r} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {str(path)!r} is not TOML: {error}") from None
    section = dict(content.get("engine", {}))
    unknown = sorted(set(section) - known | set(content) - {"engine", "risk"})
    if unknown:
        raise ConfigError(
            f"configuration {str(path)!r} has the unknown setting {unknown[0]!r}; [engine] knows "
            f"{', '.join(sorted(known))}, and beside it there is [risk]"
        )
    if "risk" in content:
        section["risk"] = dict(content["risk"])
    return section


def _convert(name: str, text: str) -> Any:
    default = getattr(EngineSettings(), name)
    try:
        if isinstance(default, list):
            return [part for part in text.split(",") if part]
        if isinstance(default, dict):
            return {key: float(value) for key, value in msgspec.json.decode(text).items()}
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return type(default)(text)
    except (ValueError, KeyError, AttributeError, msgspec.DecodeError):
        kind = type(default).__name__
        raise ConfigError(
            f"environment variable {_ENVIRONMENT}ENGINE__{name.upper()} is {text!r}, "
            f"expected a {kind}"
        ) from None
