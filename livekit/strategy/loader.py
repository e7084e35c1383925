"""From a file to a strategy's class, or one clear sentence about why not.

The file is run as a module of its own name, with its folder on the path, so that it
may import its neighbours; ``if __name__ == "__main__":`` does not run. Whatever it
does wrong is the user's to correct, so every failure names the file and the line.
Layer 2.
"""

import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from livekit.errors import LivekitError, NotFoundError, StrategyError
from livekit.strategy.api import Strategy
from livekit.strategy.spec import did_you_mean

__all__ = ["load_class", "make_instance", "user_line"]

_PREFIX: Final = "livekit_strategy_"


def load_class(path: Path, name: str | None = None) -> type[Strategy]:
    """Run a file and return the strategy class it defines.

    Parameters
    ----------
    path : Path
    name : str, optional
        The class to take when the file defines several.

    Raises
    ------
    NotFoundError
        There is no such file, or no such class in it.
    StrategyError
        The file cannot be run, or defines no strategy, or several and none was named.
    """
    module = _run(path)
    classes = {
        cls.__name__: cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Strategy) and cls.__module__ == module.__name__
    }
    if name is not None:
        if name not in classes:
            raise NotFoundError(
                f"file {str(path)!r} defines no strategy {name!r}; "
                + did_you_mean(name, list(classes))
            )
        return classes[name]
    if not classes:
        raise StrategyError(
            f"file {str(path)!r} defines no strategy; write a class that derives from "
            "livekit.Strategy"
        )
    if len(classes) > 1:
        raise StrategyError(
            f"file {str(path)!r} defines {len(classes)} strategies: {', '.join(classes)}; "
            "choose one with --class"
        )
    return next(iter(classes.values()))


def make_instance(cls: type[Strategy], values: dict[str, float]) -> Strategy:
    """Return an instance whose `__init__` already sees the values of its parameters.

    Raises
    ------
    StrategyError
        Its `__init__` raises, or needs arguments.
    """
    instance = cls.__new__(cls)
    vars(instance).update(values)
    try:
        instance.__init__()  # type: ignore[misc]
    except LivekitError:
        raise
    except Exception as error:
        raise StrategyError(
            f"strategy {cls.__name__!r} cannot be made: {type(error).__name__}: {error} "
            f"({user_line(error)}); its __init__ must work without arguments"
        ) from error
    return instance


def user_line(error: BaseException) -> str:
    """Return the innermost file and line of an exception that is not livekit's own."""
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).resolve().parent.parent)
    own = [f for f in frames if not f.filename.startswith((package, "<frozen"))]
    last = (own or list(frames))[-1]
    return f"{last.filename}:{last.lineno}"


class _TextLoader(SourceFileLoader):
    """Compiles the text each time.

    Python's byte code counts as current when second and size agree, so a file saved twice
    in a second would run as it was before: a digit is changed and nothing happens.
    """

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the text as it is now."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise NotFoundError(
            f"strategy file {str(path)!r} does not exist; give the path of a Python file, such as "
            "strategies/momentum.py"
        )
    if path.suffix != ".py":
        raise StrategyError(
            f"strategy file {str(path)!r} is no Python file, expected a name in .py"
        )
    path = path.resolve()
    name = _PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path, loader=_TextLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        text = (error.text or "").strip()
        raise StrategyError(
            f"strategy file {str(path)!r} has a syntax error in line {error.lineno}: {error.msg}"
            + (f": {text}" if text else "")
        ) from None
    except LivekitError as error:
        raise StrategyError(f"{error} ({user_line(error)})") from error
    except (Exception, SystemExit) as error:
        raise StrategyError(
            f"strategy file {str(path)!r} cannot be imported: {type(error).__name__}: {error} "
            f"({user_line(error)})"
        ) from error
    return module
