"""Where the exchange is: its hosts by environment and region.

Source: OKX API v5, "Production Trading Services" and "Demo Trading Services", read 2026-08.
Layer 2. Pure.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from livekit.errors import ConfigError

__all__ = ["ENVIRONMENTS", "REGIONS", "Hosts", "hosts_for"]

ENVIRONMENTS: Final = ("sim", "demo", "live")

_REST: Final = {
    "global": "https://openapi.okx.com",
    "eea": "https://eea.okx.com",
    "us": "https://us.okx.com",
}
_SOCKETS: Final = {
    ("global", False): "wss://ws.okx.com:8443/ws/v5",
    ("global", True): "wss://wspap.okx.com:8443/ws/v5",
    ("eea", False): "wss://wseea.okx.com:8443/ws/v5",
    ("eea", True): "wss://wseeapap.okx.com:8443/ws/v5",
    ("us", False): "wss://wsus.okx.com:8443/ws/v5",
    ("us", True): "wss://wsuspap.okx.com:8443/ws/v5",
}
REGIONS: Final = tuple(_REST)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Addresses of one environment; with `is_demo` REST calls carry the demo header."""

    rest: str
    public: str
    private: str
    business: str
    is_demo: bool


def hosts_for(env: str, region: str = "global", url: str = "") -> Hosts:
    """Return the addresses of an environment; `url` is a simulator's, and only its.

    Raises
    ------
    ConfigError
        Environment or region is unknown, or the address is missing, wrong or not for it.
    """
    if env not in ENVIRONMENTS:
        raise ConfigError(f"environment {env!r} is unknown; use {', '.join(ENVIRONMENTS)}")
    if region not in REGIONS:
        raise ConfigError(f"region {region!r} is unknown; use {', '.join(REGIONS)}")
    if env == "sim":
        return _simulator(url)
    if url:
        raise ConfigError(
            f"address {url!r} is for a simulator only; give --env sim with it, or leave it out "
            f"for --env {env}"
        )
    is_demo = env == "demo"
    base = _SOCKETS[region, is_demo]
    return Hosts(_REST[region], f"{base}/public", f"{base}/private", f"{base}/business", is_demo)


def _simulator(url: str) -> Hosts:
    if not url:
        raise ConfigError(
            "environment 'sim' needs the simulator's address; start one with 'livekit okx-sim' "
            "and give what it prints, such as --url http://127.0.0.1:8000"
        )
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_usable = is_usable and (parts.port is None or parts.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigError(
            f"address {url!r} is not one of a simulator; give it as http://127.0.0.1:8000"
        )
    base = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws/v5"
    rest = f"{parts.scheme}://{parts.netloc}"
    return Hosts(rest, f"{base}/public", f"{base}/private", f"{base}/business", is_demo=False)
