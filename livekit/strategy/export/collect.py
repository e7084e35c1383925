"""From a class to all it needs: the walk through names.

Each name the class takes from outside is followed to the statement that was the last to
bind it. An import, function, class or constant goes along, with what it takes itself;
anything else is refused with the name, what it is, the line where it is used and what
to do about it. Nothing is left out silently and no value is ever copied.
Layer 2.
"""

import ast
import builtins
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from livekit.errors import StrategyError
from livekit.strategy.export.bindings import Form, bindings_of
from livekit.strategy.export.cells import Found, statement_text
from livekit.strategy.export.locate import Origin
from livekit.strategy.export.places import local_file
from livekit.strategy.export.refusal import Refuser, where
from livekit.strategy.export.scopes import Reading, Use, uses_of
from livekit.strategy.export.values import BUILTINS, impure_part, is_value, noun

__all__ = ["Collection", "ImportLine", "Item", "collect"]

_UNSEEN: Final = frozenset({"eval", "exec", "globals", "__import__"})
"""Builtins that reach names which no reading of the text can find."""

_OF_MODULES: Final = frozenset({"__name__", "__doc__", "__debug__"})
_OF_NOTEBOOKS: Final = frozenset({"display", "get_ipython"})
_REPLACED: Final = frozenset({"open", "exit", "quit"})
"""Builtins for which a notebook has a name of its own."""

_NUMBERS: Final = "pass its numbers as lk.Param or compute them in on_start"


class ImportLine(NamedTuple):
    """One name to import; of a module itself when `name` is empty."""

    module: str
    name: str
    alias: str


@dataclass(slots=True, eq=False)
class Item:
    """A statement that goes into the file.

    Attributes
    ----------
    found : Found
    names : tuple of str
        What it binds.
    text : str
        As it was typed.
    early, late : list of Item
        What it uses when it is run, and when what it defines is called.
    """

    found: Found
    names: tuple[str, ...]
    text: str
    early: list["Item"] = field(default_factory=list)
    late: list["Item"] = field(default_factory=list)


@dataclass(slots=True)
class Collection:
    """All that a file will hold.

    Attributes
    ----------
    root : Item
        The class itself.
    items : list of Item
        The root and all it needs, what is needed before what needs it.
    imports : set of ImportLine
    is_lazy : bool
        Whether annotations are text.
    """

    root: Item
    items: list[Item]
    imports: set[ImportLine]
    is_lazy: bool


def collect(origin: Origin, home: Path | None = None) -> Collection:
    """Return all that a class needs to stand in a file alone.

    Parameters
    ----------
    origin : Origin
    home : Path, optional
        The folder of that file, whose other modules it may import.

    Raises
    ------
    StrategyError
        It uses something that cannot go into a file.
    """
    return _Walk(origin, home).run()


class _Walk:
    """Follows names, each statement once."""

    def __init__(self, origin: Origin, home: Path | None) -> None:
        self._origin, self._home = origin, home
        self._items: dict[int, Item] = {}
        self._refuse = Refuser(origin)
        self._order: list[Item] = []
        self._imports: set[ImportLine] = set()

    def run(self) -> Collection:
        """Return the class with all it needs."""
        root = self._add(self._origin.root)
        is_lazy = any(item.found.is_lazy for item in self._order)
        return Collection(root, self._order, self._imports, is_lazy)

    def _add(self, found: Found) -> Item:
        """Take a statement and all it needs."""
        node = found.binding.node
        if id(node) in self._items:
            return self._items[id(node)]
        names = tuple(dict.fromkeys(binding.name for binding in bindings_of(node)))
        item = Item(found, names, statement_text(found.cell.text, node))
        self._items[id(node)] = item
        reading = uses_of(node, lazy_annotations=found.is_lazy)
        self._check(found, reading)
        for use in reading.uses:
            needed = self._try(item, use) if use.is_soft else self._follow(item, use)
            if needed is item and use.is_early and not use.is_soft:
                self._refuse(
                    use.name,
                    found,
                    use.line,
                    "what it was before this statement set it again",
                    "give what is made of it another name",
                )
            if needed is not None and needed is not item:
                (item.early if use.is_early else item.late).append(needed)
        self._order.append(item)
        return item

    def _check(self, found: Found, reading: Reading) -> None:
        """Refuse what a statement may not do inside, whatever it uses."""
        for name, line in reading.writes:
            self._refuse.act(
                found,
                line,
                f"assigns the global {name!r}",
                "keep what changes in annotated attributes of the class",
            )
        for node in reading.imports:
            if isinstance(node, ast.ImportFrom):
                self._check_module(found, node.module or "", node.lineno, node.level)
            else:
                for alias in node.names:
                    self._check_module(found, alias.name, node.lineno)

    def _check_module(self, found: Found, module: str, line: int, level: int = 0) -> None:
        if level:
            self._refuse.act(
                found,
                line,
                f"imports relatively ('from {'.' * level}{module} ...')",
                "write the full name of the module",
            )
        place = local_file(module, self._home)
        if place is not None or module == "__main__":
            self._refuse.act(
                found,
                line,
                f"imports {module!r}, which only this {self._origin.place} finds "
                f"({str(place or 'itself')!r})",
                "write the class in a file beside that module, install the module, or put its "
                "folder into PYTHONPATH",
            )

    def _try(self, item: Item, use: Use) -> Item | None:
        """Take what an annotation names if it can be taken: nothing evaluates it."""
        items, n_order, imports = dict(self._items), len(self._order), set(self._imports)
        try:
            return self._follow(item, use)
        except StrategyError:
            self._items, self._imports = items, imports
            del self._order[n_order:]
            return None

    def _follow(self, item: Item, use: Use) -> Item | None:
        """Return the statement that a use needs; None for imports and builtins."""
        origin, user = self._origin, item.found
        is_root = user.binding.node is origin.root.binding.node
        if is_root and use.name in origin.closure:
            self._refuse(
                use.name,
                user,
                use.line,
                "a local variable of the function around the class",
                "define the class and what it uses at the top of a cell or file",
            )
        found = origin.cells.last(use.name)
        if found is None:
            self._unbound(user, use)
            return None
        if found.binding.form is Form.OTHER:
            self._refuse(
                use.name,
                user,
                use.line,
                f"which {found.binding.how} sets in {where(origin, found, found.binding.line)}",
                "set it once, with one plain assignment at the top of a cell",
            )
        if use.name not in origin.names:
            self._refuse(
                use.name, user, use.line, "which was deleted", "run the cell that defines it again"
            )
        if found.binding.form is Form.IMPORT:
            self._import(user, use, found)
            return None
        if found.binding.form is Form.CONSTANT:
            self._check_constant(user, use, found)
        return self._add(found)

    def _unbound(self, user: Found, use: Use) -> None:
        """Take a name that no text binds: a builtin, or livekit itself."""
        origin, name = self._origin, use.name
        is_there = name in origin.names
        value = origin.names.get(name)
        is_builtin = name in BUILTINS and (
            not is_there or value is getattr(builtins, name) or name in _REPLACED
        )
        if is_builtin and name not in _UNSEEN:
            return
        if name in _OF_MODULES:
            return
        if value is sys.modules["livekit"]:
            self._imports.add(ImportLine("livekit", "", name))
            return
        self._refuse(name, user, use.line, *_unknown(origin, name, is_builtin=is_builtin))

    def _import(self, user: Found, use: Use, found: Found) -> None:
        """Take an import of one name."""
        node, name = found.binding.node, use.name
        if isinstance(node, ast.ImportFrom):
            self._check_module(user, node.module or "", use.line, node.level)
            alias = next(a for a in reversed(node.names) if (a.asname or a.name) == name)
            if node.module != "__future__":
                self._imports.add(ImportLine(node.module or "", alias.name, name))
            return
        assert isinstance(node, ast.Import)
        alias = next(a for a in reversed(node.names) if name in {a.asname, a.name.split(".")[0]})
        self._check_module(user, alias.name, use.line)
        if alias.asname is not None:
            self._imports.add(ImportLine(alias.name, "", name))
        else:
            # `import a.b` and `import a.c` both bind `a`; those count that are used.
            used = set(_dotted_uses(user.binding.node, name))
            dotted = {a.name for a in self._origin.cells.dotted_imports(name)} & used
            modules = dotted or {alias.name}
            self._imports.update(ImportLine(module, "", "") for module in modules)

    def _check_constant(self, user: Found, use: Use, found: Found) -> None:
        origin, node = self._origin, found.binding.node
        value = origin.names[use.name]
        if not is_value(value, origin.cls.__module__):
            if isinstance(value, ModuleType):
                what, remedy = "another name of a module", "import the module under this name"
            else:
                what, remedy = f"{noun(value)} of the {origin.place}", _NUMBERS
            self._refuse(use.name, user, use.line, what, remedy)
        assert isinstance(node, ast.Assign | ast.AnnAssign)
        assert node.value is not None
        part = impure_part(node.value, self._module_of)
        if part is not None:
            text = ast.unparse(part.func) if isinstance(part, ast.Call) else "await"
            self._refuse(
                use.name,
                user,
                use.line,
                f"which {text!r} gave to the {origin.place} "
                f"in {where(origin, found, found.binding.line)}",
                f"write the value itself; {_NUMBERS}",
            )
        for binding in bindings_of(node):
            last = origin.cells.last(binding.name)
            if last is None or last.binding.node is not node:
                self._refuse(
                    use.name,
                    user,
                    use.line,
                    f"set together with {binding.name!r}, which is set again elsewhere",
                    "write one assignment for each name",
                )

    def _module_of(self, name: str) -> str | None:
        """Return the full name of what an imported name stands for."""
        found = self._origin.cells.last(name)
        if found is None or found.binding.form is not Form.IMPORT:
            return "livekit" if found is None and name == "lk" else None
        for alias in found.binding.node.names:  # type: ignore[attr-defined]
            if name == (alias.asname or alias.name.split(".")[0]):
                if isinstance(found.binding.node, ast.ImportFrom):
                    return f"{found.binding.node.module}.{alias.name}"
                return str(alias.name if alias.asname else name)
        return None


def _dotted_uses(node: ast.AST, name: str) -> Iterator[str]:
    """Yield ``a``, ``a.b``, ``a.b.c`` for every ``a.b.c`` in a text that starts with a name."""
    for part in ast.walk(node):
        names: list[str] = []
        root = part
        while isinstance(root, ast.Attribute):
            names.append(root.attr)
            root = root.value
        if isinstance(root, ast.Name) and root.id == name:
            parts = [name, *reversed(names)]
            yield from (".".join(parts[: depth + 1]) for depth in range(len(parts)))


def _unknown(origin: Origin, name: str, *, is_builtin: bool) -> tuple[str, str]:
    """Return what a name is that nothing binds and that is no builtin, and what to do."""
    if is_builtin:
        return "which reaches names that cannot be followed", "write the names themselves"
    if name in _OF_NOTEBOOKS:
        return "which only a notebook has", "keep magics and display out of the class"
    for found in origin.cells.stars():
        node = found.binding.node
        assert isinstance(node, ast.ImportFrom)
        if hasattr(sys.modules.get(node.module or ""), name):
            line = f"from {node.module} import"
            place = where(origin, found, node.lineno)
            return f"which '{line} *' brought in {place}", f"write '{line} {name}'"
    if name in origin.names:
        value = origin.names[name]
        what = f"{noun(value)} that no cell defines at its top"
        if isinstance(value, ModuleType):
            return what, f"write 'import {value.__name__} as {name}' in a cell"
        return what, f"define it in a cell; {_NUMBERS}"
    near = get_close_matches(name, [n for n in origin.names if not n.startswith("_")], n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return "which is not defined", f"{hint}define it in a cell above the class"
