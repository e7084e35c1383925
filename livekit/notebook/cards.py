"""Small cards: a heading and rows, in the colours of the page they stand on.

Plain HTML without scripts, so they are readable on light and dark pages, in an exported
notebook and without widgets.
Layer 5.
"""

import html
from collections.abc import Iterable

__all__ = ["card", "count", "money"]


def card(head: str, rows: Iterable[tuple[str, str]], foot: str = "") -> str:
    """Return a card.

    Parameters
    ----------
    head, foot : str
        HTML.
    rows : iterable of (name, value)
        Text, escaped here.
    """
    body = "".join(
        '<tr style="background:none"><td style="text-align:left;padding:2px 16px 2px 0;'
        f'opacity:.75">{html.escape(name)}</td><td style="text-align:left;padding:2px 0;'
        f'font-variant-numeric:tabular-nums">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    table = (
        f'<table style="border-collapse:collapse;color:inherit;margin:4px 0 0">{body}</table>'
        if body
        else ""
    )
    return (
        '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);border-radius:6px;'
        'padding:8px 12px;color:inherit;background:none;font-size:13px;line-height:1.5">'
        f"<div><b>{head}</b></div>{table}{foot}</div>"
    )


def count(number: float) -> str:
    """Return a whole number with its thousands grouped."""
    return f"{int(number):,}"


def money(amount: float) -> str:
    """Return an amount with two decimals."""
    return f"{amount:,.2f}"
