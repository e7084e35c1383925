"""The text of the file, in an order that runs and that depends on nothing but the text.

Imports stand first, sorted; then everything else, each statement behind what it needs
when it is run. Cells that were run again in another order give the same bytes.
Layer 2.
"""

from collections.abc import Iterable
from typing import Final

from livekit.strategy.export.bindings import Form
from livekit.strategy.export.collect import Collection, ImportLine, Item

__all__ = ["compose"]

_LINE: Final = 100


def compose(collection: Collection) -> str:
    """Return the text of a file that holds a class and all it needs, without a header."""
    parts = []
    if collection.is_lazy:
        parts.append("from __future__ import annotations\n")
    if collection.imports:
        parts.append("\n".join(_import_lines(collection.imports)) + "\n")
    body = ""
    before: Item | None = None
    for item in _in_order(collection.items):
        if before is not None:
            body += "\n" if _is_constant(before) and _is_constant(item) else "\n\n\n"
        body += item.text
        before = item
    head = "\n".join(parts)
    gap = "\n" if _is_constant(collection.items[0]) else "\n\n"
    return (head + gap if head else "") + body + "\n"


def _is_constant(item: Item) -> bool:
    return item.found.binding.form is Form.CONSTANT


def _import_lines(imports: Iterable[ImportLine]) -> list[str]:
    plain, from_imports = [], dict[str, list[str]]()
    for line in sorted(imports):
        if not line.name:
            is_same = line.alias in {"", line.module}
            plain.append(f"import {line.module}" + ("" if is_same else f" as {line.alias}"))
        else:
            is_same = line.alias == line.name
            name = line.name + ("" if is_same else f" as {line.alias}")
            from_imports.setdefault(line.module, []).append(name)
    lines = list(dict.fromkeys(plain))
    for module, names in from_imports.items():
        text = f"from {module} import {', '.join(names)}"
        if len(text) > _LINE:
            text = f"from {module} import (\n" + "".join(f"    {n},\n" for n in names) + ")"
        lines.append(text)
    return lines


def _in_order(items: list[Item]) -> list[Item]:
    """Return the items so that each stands behind what it needs when it is run.

    What a function uses when called is needed early too by whoever calls it early; who
    calls is not known, so all that an early use can reach comes first. Where that asks
    for a circle, only the early uses themselves count.
    """
    safe = {id(item): _reach(item) for item in items}
    done: set[int] = set()
    ordered: list[Item] = []
    waiting = list(items)
    while waiting:
        ready = [item for item in waiting if safe[id(item)] <= done]
        if not ready:
            ready = [i for i in waiting if {id(e) for e in i.early} - {id(i)} <= done]
        item = (ready or waiting)[0]
        waiting.remove(item)
        done.add(id(item))
        ordered.append(item)
    return ordered


def _reach(item: Item) -> set[int]:
    """Return all that may run when an item is run, without the item."""
    found: set[int] = set()
    stack = list(item.early)
    while stack:
        part = stack.pop()
        if id(part) not in found:
            found.add(id(part))
            stack += [*part.early, *part.late]
    return found - {id(item)}
