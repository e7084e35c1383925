"""Colours of the dashboard: those of the reports, light and dark, under the desk's names.

Layer 5.
"""

from typing import Final

from livekit.research.report.theme import DARK, FONT, LIGHT

__all__ = ["desk_palette"]

_MONO: Final = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def desk_palette() -> str:
    """Return the desk's variables of CSS, light, and dark under the class ``dark``."""
    light = "".join(f"--lk-{name}:{color};" for name, color in LIGHT.items())
    dark = "".join(f"--lk-{name}:{color};" for name, color in DARK.items())
    fonts = f"--lk-font:{FONT};--lk-mono:{_MONO};"
    return f".lk-desk{{{light}{fonts}color-scheme:light}}.lk-desk.dark{{{dark}color-scheme:dark}}"
