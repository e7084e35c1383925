"""A class becomes a file: what `lk.export`, backtests, sweeps and attaching call.

`exported` gives the file that will run: a class of an importable file is its own file,
unmodified; the text of any other is cut out of the cells, with all it needs, and kept in
the cache under its hash. Before anybody gets an export it is loaded once and compared
with what is alive, so a stale name is refused and never shipped.
Layer 2. Imports no Numba and no IPython.
"""

import contextlib
import reprlib
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit.errors import ConfigError, StrategyError
from livekit.strategy.api import Strategy
from livekit.strategy.code_hash import (
    CACHE_HEADER,
    FILE_HEADER,
    body_of,
    code_hash_of,
    neighbours_of,
    text_hash,
)
from livekit.strategy.declaration import declare
from livekit.strategy.export.bindings import Form
from livekit.strategy.export.cells import Found
from livekit.strategy.export.collect import Collection, collect
from livekit.strategy.export.compare import STRATEGY_MODULE, Difference, difference
from livekit.strategy.export.compose import compose
from livekit.strategy.export.files import cached_file, snake_name, write_file
from livekit.strategy.export.locate import Origin, locate
from livekit.strategy.export.refusal import where
from livekit.strategy.loader import load_class

__all__ = ["ExportedStrategy", "export", "exported", "stale_names", "write_cell"]


@dataclass(frozen=True, slots=True)
class ExportedStrategy:
    """The file that stands for a strategy class, in whatever process.

    Attributes
    ----------
    path : Path
        Absolute.
    class_name : str
        To be given to the loader: the file may hold base classes too.
    code_hash : str
        16 hex digits; of the text, with the neighbours it imports.
    source : str
        The file's text.
    """

    path: Path
    class_name: str
    code_hash: str
    source: str

    @property
    def name(self) -> str:
        """The name to attach or report under: the file's, without the cache's hash."""
        return self.path.stem.removesuffix(f"-{self.code_hash}")


def exported(strategy: type[Strategy] | Path | str, class_name: str = "") -> ExportedStrategy:
    """Return the file that runs for a strategy.

    Parameters
    ----------
    strategy : class, Path or str
        A class, wherever it was written, or a strategy's file.
    class_name : str
        For a file that defines several strategies.

    Raises
    ------
    StrategyError
        The class takes something from the notebook that cannot go into a file, or the
        file cannot be loaded.
    NotFoundError
        There is no such file or class.
    """
    if isinstance(strategy, Path | str):
        path = Path(strategy)
        cls = load_class(path, class_name or None)
        return _of_file(path.resolve(), cls.__name__)
    found = locate(strategy)
    if isinstance(found, Path):
        return _of_file(found, strategy.__name__)
    return _verified(found, collect(found))


def export(cls: type[Strategy], path: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Write a strategy class to one self-contained file, and return its path.

    Parameters
    ----------
    cls : class
        From a notebook's cell, a script or a file.
    path : Path or str, optional
        ``strategies/<name>.py`` below the current folder when not given; a class that
        lives in a file already then stays there.
    overwrite : bool
        Replace a file with another text.

    Raises
    ------
    StrategyError
        The class takes something from the notebook that cannot go into a file.
    ConfigError
        The file exists with another text, or cannot be written.
    """
    found = locate(cls)
    if isinstance(found, Path):
        return found if path is None else _copy(found, Path(path), overwrite=overwrite)
    target = (
        Path(path) if path is not None else Path("strategies", f"{snake_name(cls.__name__)}.py")
    )
    if target.suffix != ".py":
        raise ConfigError(f"path {str(target)!r} names no Python file, expected a name in .py")
    target = target.absolute()
    with _on_path(target.parent):
        verified = _verified(found, collect(found, target.parent))
    header = FILE_HEADER.format(place=found.place, name=cls.__name__)
    return write_file(target, header + body_of(verified.source), overwrite=overwrite)


def stale_names(cls: type[Strategy]) -> list[str]:
    """Return the names whose live value is not what the text of the class says.

    Such as ``WINDOW`` after another cell has set it, ``EmaCross.on_quote`` after it was
    replaced, or the class itself when its cell should be run again. Empty when the
    class, run from its file, does what it does here.

    Raises
    ------
    StrategyError
        The class cannot be exported for another reason.
    """
    found = locate(cls)
    if isinstance(found, Path):
        with _loaded(found, cls.__name__) as fresh:
            changed = difference(cls.__name__, cls, fresh)
        return [changed.name] if changed is not None else []
    collection = collect(found)
    file = _cached(found, compose(collection))
    return [changed.name for _, changed in _differences(found, collection, file)]


def write_cell(text: str, path: Path | str, *, previous: str = "") -> ExportedStrategy:
    """Write a whole cell as a strategy's file: the core of ``%%strategy FILE``.

    Parameters
    ----------
    text : str
        The cell without its first line.
    path : Path or str
    previous : str
        The hash that this cell gave the file before. A file that has it still is
        replaced; one that was edited since, or never came from the cell, is not.

    Raises
    ------
    StrategyError
        The text is no Python, or defines no strategy; nothing is written.
    ConfigError
        The file exists with another text.
    """
    target = Path(path).absolute()
    body = body_of(text)
    draft = cached_file(snake_name(target.stem), text_hash(body), body)
    with _on_path(target.parent), _loaded(draft) as cls:
        name = cls.__name__
    is_ours = bool(previous) and target.is_file() and code_hash_of(target) == previous
    write_file(target, body, overwrite=is_ours)
    return _of_file(target, name)


def _of_file(path: Path, class_name: str) -> ExportedStrategy:
    with tokenize.open(path) as file:
        source = file.read()
    return ExportedStrategy(path, class_name, code_hash_of(path), source)


def _cached(origin: Origin, text: str) -> ExportedStrategy:
    """Write a text to the cache, under its hash."""
    name, code_hash = origin.cls.__name__, text_hash(text)
    source = "cell" if origin.place == "notebook" else origin.place
    header = CACHE_HEADER.format(place=origin.place, name=name, hash=code_hash, source=source)
    path = cached_file(snake_name(name), code_hash, header + text)
    return ExportedStrategy(path, name, code_hash, header + text)


def _verified(origin: Origin, collection: Collection) -> ExportedStrategy:
    """Return the file in the cache, once it has made what is alive."""
    file = _cached(origin, compose(collection))
    try:
        differences = list(_differences(origin, collection, file))
    except StrategyError as error:
        raise StrategyError(
            f"strategy {file.class_name!r} does not run from its text alone: {error}; run the "
            f"{origin.place} from its top to see why"
        ) from error
    if differences:
        raise _stale(origin, *differences[0])
    return file


def _copy(source: Path, target: Path, *, overwrite: bool) -> Path:
    """Copy the file of a class, unless it would miss its neighbours there."""
    target = target.absolute()
    beside = neighbours_of(source)
    if beside and target.parent.resolve() != source.parent:
        names = ", ".join(file.name for file in beside)
        raise StrategyError(
            f"file {str(source)!r} imports {names} of its own folder, which a file in "
            f"{str(target.parent)!r} would not find; export to its own folder"
        )
    return write_file(target, source.read_text(encoding="utf-8"), overwrite=overwrite)


def _differences(
    origin: Origin, collection: Collection, file: ExportedStrategy
) -> Iterator[tuple[Found, Difference]]:
    """Yield where the names that are alive are not what the file makes of them."""
    with _loaded(file.path, file.class_name) as fresh_class:
        fresh = vars(sys.modules[fresh_class.__module__])
        state = declare(fresh_class).state
    for found, name in _live_names(origin, collection):
        changed = difference(name, origin.names[name], fresh[name])
        if changed is not None:
            yield found, changed
    changed = difference(file.class_name, origin.cls, fresh_class)
    if changed is not None:
        yield origin.root, changed
    # What annotations declare is no attribute: arrays made with an older constant.
    live_state = declare(origin.cls).state
    for name in dict.fromkeys([*state, *live_state]):
        full = f"{file.class_name}.{name}"
        changed = difference(full, live_state.get(name), state.get(name))
        if changed is not None:
            yield origin.root, changed


def _live_names(origin: Origin, collection: Collection) -> Iterator[tuple[Found, str]]:
    """Yield each name of the file that is alive too, but for the class, and what binds it."""
    for line in sorted(collection.imports):
        name = line.alias or line.module.partition(".")[0]
        found = origin.cells.last(name)
        if found is not None:
            yield found, name
    for item in collection.items:
        if item is not collection.root:
            yield from ((item.found, name) for name in item.names)


def _stale(origin: Origin, found: Found, changed: Difference) -> StrategyError:
    place = where(origin, found, found.binding.line)
    again = "run that cell again" if origin.place == "notebook" else "define it once"
    if found.binding.form is Form.CONSTANT:
        return StrategyError(
            f"strategy {origin.cls.__name__!r} uses {changed.name!r}, which is "
            f"{reprlib.repr(changed.live)} in the {origin.place} but "
            f"{reprlib.repr(changed.text)} by its text ({place}); {again}, or set it in one place"
        )
    return StrategyError(
        f"strategy {origin.cls.__name__!r} uses {changed.name!r}, which is not what its text says "
        f"({place}): it was changed, or made with older names; {again}"
    )


@contextlib.contextmanager
def _loaded(path: Path, class_name: str | None = None) -> Iterator[type[Strategy]]:
    """Run a file and give its class, and leave neither its module nor its folder behind."""
    module, folder = f"{STRATEGY_MODULE}{path.stem}", str(path.resolve().parent)
    before, is_known = sys.modules.get(module), folder in sys.path
    try:
        yield load_class(path, class_name)
    finally:
        sys.modules.pop(module, None)
        if before is not None:
            sys.modules[module] = before
        if not is_known:
            _forget(folder)


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Let modules of a folder be found."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        _forget(str(folder))


def _forget(folder: str) -> None:
    """Take a folder off the path, as one entry: other threads may change the path too."""
    with contextlib.suppress(ValueError):
        sys.path.remove(folder)
