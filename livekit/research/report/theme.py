"""Colours and type of every figure and page, light and dark.

A figure is made of the light colours. The dark ones stand at the same names, so a page
that is read in the dark replaces one by the other in the figure's text; for that the
light colours are all different. Buying is blue and selling is vermilion (Okabe and Ito:
told apart with every kind of colour blindness), and shapes say the same again.
Layer 3.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from livekit.errors import ConfigError

__all__ = [
    "DARK",
    "FONT",
    "LIGHT",
    "band",
    "css_variables",
    "diverging",
    "in_theme",
    "replacements",
    "sequential",
]

FONT: Final = (
    "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', "
    "'DejaVu Sans', Arial, sans-serif"
)

LIGHT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#f5f7f9",
        "card": "#ffffff",
        "ink": "#17212b",
        "muted": "#566575",
        "line": "#cdd5dd",
        "grid": "#e7ebef",
        "middle": "#f0f2f5",  # of a diverging scale
        "net": "#0b4f8c",
        "gross": "#6c7a89",
        "benchmark": "#8250b5",
        "drawdown": "#b83a26",
        "price": "#708090",
        "buy": "#0072b2",
        "sell": "#d25400",
        "position": "#2f6f7f",
        "spread": "#12805c",
        "slippage": "#b8453a",
        "inventory": "#2467b0",
        "fees": "#a87400",
        "funding": "#7d4fae",
        "bar": "#3d78b3",
        "warn": "#8a4b00",
        "warn_page": "#fff3dc",
        "strong_low": "#b04a00",
        "low": "#f0b27f",
        "high": "#8fc1e3",
        "strong_high": "#015a94",
    }
)

DARK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#0f1419",
        "card": "#171e26",
        "ink": "#e4eaf0",
        "muted": "#98a6b5",
        "line": "#3a4653",
        "grid": "#28313b",
        "middle": "#202933",
        "net": "#63b3f5",
        "gross": "#9aa8b6",
        "benchmark": "#c09bea",
        "drawdown": "#f0806c",
        "price": "#8797a8",
        "buy": "#4db2f0",
        "sell": "#ff9142",
        "position": "#6fc0d0",
        "spread": "#4ac29a",
        "slippage": "#f0877b",
        "inventory": "#70a9ea",
        "fees": "#e0b040",
        "funding": "#bd98e8",
        "bar": "#6ba6de",
        "warn": "#ffcf80",
        "warn_page": "#3a2c12",
        "strong_low": "#ff9c52",
        "low": "#8a4d1d",
        "high": "#1f5f8c",
        "strong_high": "#6cc0fb",
    }
)

_THEMES: Final = MappingProxyType({"light": LIGHT, "dark": DARK})

_T = TypeVar("_T")


def band(color: str, opacity: float = 0.16) -> str:
    """Return a colour `#rrggbb` that lets what is below it through."""
    return f"rgba({_decimal(color)},{opacity})"


def diverging() -> list[list[Any]]:
    """Return a colour scale from losses (orange) over the page's own to gains (blue)."""
    names = ("strong_low", "low", "middle", "high", "strong_high")
    return [[i / 4, LIGHT[name]] for i, name in enumerate(names)]


def sequential() -> list[list[Any]]:
    """Return a colour scale from little (the page's own) to much (blue)."""
    return [[i / 2, LIGHT[name]] for i, name in enumerate(("middle", "high", "strong_high"))]


def replacements() -> list[tuple[str, str]]:
    """Return (light, dark) texts that turn a light figure's JSON into a dark one's."""
    pairs = [(LIGHT[name], DARK[name]) for name in LIGHT]
    return pairs + [(f"rgba({_decimal(a)},", f"rgba({_decimal(b)},") for a, b in pairs]


def in_theme(value: _T, theme: str) -> _T:
    """Return lists, dicts and texts with the colours of a theme; arrays stay the same.

    Raises
    ------
    ConfigError
        `theme` is neither ``light`` nor ``dark``.
    """
    if theme not in _THEMES:
        raise ConfigError(f"theme {theme!r} is not known, expected 'light' or 'dark'")
    if theme == "light":
        return value
    swaps = replacements()

    def swap(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: swap(item) for key, item in part.items()}
        if isinstance(part, list | tuple) and part and not isinstance(part[0], int | float):
            return [swap(item) for item in part]
        if isinstance(part, str) and part.startswith(("#", "rgba(")):
            for light, dark in swaps:
                part = part.replace(light, dark)
        return part

    return swap(value)


def css_variables(theme: str) -> str:
    """Return the colours of a theme as declarations of CSS."""
    return "".join(f"--{name.replace('_', '-')}:{color};" for name, color in _THEMES[theme].items())


def _decimal(color: str) -> str:
    return ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))
