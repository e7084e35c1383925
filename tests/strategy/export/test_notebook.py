"""Classes typed into the cells of a real IPython shell."""

import re
import stat
import subprocess
import sys

import pytest

from livekit.errors import ConfigError, StrategyError
from livekit.strategy.declaration import declare
from livekit.strategy.export import code_hash_of, export, exported, stale_names
from livekit.strategy.loader import load_class

SETUP = """
    import math
    import livekit as lk
"""
MINE = """
    class Mine(lk.Strategy):
        def on_quote(self, quote):
            {body}
"""


def body_of(exported_strategy):
    return exported_strategy.source.split("\n\n", 1)[1]


def mine(notebook, body, *before):
    """Type a class with one line in a callback; return it."""
    return notebook.run(SETUP, *before, MINE.format(body=body))["Mine"]


def refusal(cls):
    with pytest.raises(StrategyError) as caught:
        exported(cls)
    return str(caught.value)


def test_class_goes_with_what_it_uses_and_nothing_else(notebook):
    names = notebook.run(
        "import os, math\nimport livekit as lk\nimport numpy as np",
        "# quotes remembered\nWINDOW = 20  # about a minute\nUNUSED = 1\nSTEP = WINDOW / 2",
        """
        from math import sqrt, floor as down, ceil

        def move(x, by=STEP):
            \"\"\"Move it.\"\"\"
            return down(x) + by  # comment
        """,
        "def unrelated():\n    return os.getcwd()",
        """
        class Base(lk.Strategy):
            symbols = ("BTC-USDT",)

        # above the class
        class EmaCross(Base):
            \"\"\"Doc.\"\"\"
            prices: lk.array(WINDOW)
            ema: float = math.nan

            def on_quote(self, quote):
                self.ema = move(quote.bid_price)
        """,
    )
    made = exported(names["EmaCross"])
    assert made.source == (
        f"# Made by livekit from the notebook: EmaCross, {made.code_hash}.\n"
        "# Edit the cell, not this file.\n\n"
        "import livekit as lk\n"
        "import math\n"
        "from math import floor as down\n"
        "\n\n"
        "class Base(lk.Strategy):\n"
        '    symbols = ("BTC-USDT",)\n'
        "\n\n"
        "# quotes remembered\n"
        "WINDOW = 20  # about a minute\n"
        "STEP = WINDOW / 2\n"
        "\n\n"
        "def move(x, by=STEP):\n"
        '    """Move it."""\n'
        "    return down(x) + by  # comment\n"
        "\n\n"
        "# above the class\n"
        "class EmaCross(Base):\n"
        '    """Doc."""\n'
        "    prices: lk.array(WINDOW)\n"
        "    ema: float = math.nan\n"
        "\n"
        "    def on_quote(self, quote):\n"
        "        self.ema = move(quote.bid_price)\n"
    )
    assert made.class_name == "EmaCross"
    assert made.name == "ema_cross"
    assert repr(declare(load_class(made.path, "EmaCross"))) == repr(declare(names["EmaCross"]))


def test_export_lies_in_a_private_folder_under_its_hash(notebook, tmp_path):
    made = exported(mine(notebook, "pass"))
    assert made.path.parent == tmp_path / "cache" / "livekit" / "exports"
    assert made.path.name == f"mine-{made.code_hash}.py"
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.path.read_text() == made.source
    assert code_hash_of(made.path, "Mine") == made.code_hash


def test_exporting_twice_gives_the_same_bytes_and_leaves_the_file(notebook):
    cls = mine(notebook, "pass")
    first = exported(cls)
    inode = first.path.stat().st_ino
    assert exported(cls) == first
    assert first.path.stat().st_ino == inode


def test_export_that_was_edited_in_the_cache_is_replaced(notebook):
    cls = mine(notebook, "pass")
    first = exported(cls)
    first.path.write_text("raise SystemExit")
    assert exported(cls).path.read_text() == first.source


def test_constant_changes_the_hash_and_an_unrelated_cell_does_not(notebook):
    cls = mine(notebook, "self.buy('BTC-USDT', SIZE)", "SIZE = 1.0")
    first = exported(cls)
    notebook.run("OTHER = 3\nimport os\ndef on_quote(): pass")
    assert exported(cls).code_hash == first.code_hash
    notebook.run("SIZE = 2.0")
    second = exported(cls)
    assert second.code_hash != first.code_hash
    assert "SIZE = 2.0" in second.source
    assert second.path != first.path
    assert first.path.is_file()


def test_cells_run_again_in_another_order_give_the_same_file(notebook):
    one, two = "def one():\n    return two()", "def two():\n    return LOW\nLOW = 1"
    cls = mine(notebook, "one()", one, two)
    first = exported(cls)
    notebook.run(one, SETUP, MINE.format(body="one()"), two, one)
    assert exported(notebook.names["Mine"]) == first
    assert exported(cls) == first  # the older object of the same text


def test_export_writes_a_file_of_the_users_with_the_same_hash(notebook, own_folders):
    cls = mine(notebook, "pass")
    path = export(cls)
    assert path == own_folders / "strategies" / "mine.py"
    assert code_hash_of(path) == exported(cls).code_hash
    assert exported(path).code_hash == exported(cls).code_hash
    assert exported(path).path == path
    assert "Yours to edit" in path.read_text()
    assert load_class(path).__name__ == "Mine"
    before = path.stat().st_mtime_ns
    assert export(cls) == path
    assert path.stat().st_mtime_ns == before


def test_file_of_the_users_is_not_overwritten_unless_asked(notebook):
    cls = mine(notebook, "return 1")
    path = export(cls)
    path.chmod(0o640)
    edited = path.read_text() + "# mine\n"
    path.write_text(edited)
    with pytest.raises(ConfigError, match=r"exists with another text.*overwrite=True") as caught:
        export(cls)
    assert "-# mine" in str(caught.value)
    assert path.read_text() == edited
    export(cls, overwrite=True)
    assert "# mine" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(ConfigError, match="names no Python file"):
        export(cls, "mine.txt")


def test_lk_is_imported_when_no_cell_did(notebook):
    import livekit

    notebook.shell.push({"lk": livekit})
    cls = notebook.run("class Mine(lk.Strategy):\n    pass")["Mine"]
    assert (
        body_of(exported(cls)) == "import livekit as lk\n\n\nclass Mine(lk.Strategy):\n    pass\n"
    )


def test_jitted_helpers_go_along(notebook):
    cls = mine(
        notebook,
        "self.log('x', up(quote.bid_price))",
        "from numba import njit\nimport numba as nb\nN = 2",
        "@nb.njit(fastmath=True)\ndef twice(x):\n    return x * N",
        "@njit\ndef up(x): return twice(x)",
    )
    made = exported(cls)
    assert "import numba as nb\nfrom numba import njit\n" in made.source
    assert "@nb.njit(fastmath=True)\ndef twice(x):\n    return x * N\n" in made.source
    fresh = sys.modules[load_class(made.path).__module__]
    assert fresh.up(3.0) == 6.0


@pytest.mark.parametrize(
    ("body", "before", "message"),
    [
        (
            "return df.x",
            "import pandas as pd\ndf = pd.DataFrame()",
            (
                "strategy 'Mine' uses 'df', a DataFrame of the notebook (line 4); pass its numbers "
                "as lk.Param or compute them in on_start"
            ),
        ),
        (
            "return helper()",
            "import pandas as pd\ndf = pd.DataFrame()\ndef helper():\n\n    return df",
            (
                "strategy 'Mine' uses 'df' through 'helper', a DataFrame of the notebook (cell 2, "
                "line 5); pass its numbers as lk.Param or compute them in on_start"
            ),
        ),
        (
            "return quantiles",
            "class Model: pass\nquantiles = Model()",
            "strategy 'Mine' uses 'quantiles', a Model of the notebook (line 4); pass its",
        ),
        (
            "return rows",
            "import pandas as pd\nrows = [pd.DataFrame()]",
            "strategy 'Mine' uses 'rows', a list of the notebook (line 4); pass its numbers",
        ),
        (
            "return n",
            "import random\nn = random.random()",
            (
                "strategy 'Mine' uses 'n', which 'random.random' gave to the notebook in cell 2, "
                "line 2 (line 4); write the value itself"
            ),
        ),
        (
            "return n",
            "import numpy as np\nn = np.random.default_rng(1).normal()",
            "uses 'n', which 'np.random.default_rng' gave",
        ),
        ("return n", "n = id(3)", "uses 'n', which 'id' gave"),
        (
            "return n",
            "n = !echo 3",
            "uses 'get_ipython' through 'n', which only a notebook has (cell 2, line 1)",
        ),
        (
            "return nosuch",
            "nosuchs = 1",
            (
                "strategy 'Mine' uses 'nosuch', which is not defined (line 4); did you mean "
                "'nosuchs'? define it in a cell above the class"
            ),
        ),
        (
            "return total",
            "for total in range(3): pass",
            (
                "uses 'total', which a 'for' loop sets in cell 2, line 1 (line 4); set it once, "
                "with one plain assignment"
            ),
        ),
        ("return n", "if 1:\n    n = 1", "which an 'if' block sets in cell 2, line 2"),
        ("return n", "n = 1\nn += 1", "which an assignment such as '+=' sets in cell 2, line 2"),
        ("return n", "print(n := 1)", "uses 'n', which ':=' sets"),
        (
            "return f(1)",
            "from numba import njit\ndef f(x): return x\nf = njit(f)",
            (
                "uses 'f' through 'f', what it was before this statement set it again (cell 2, "
                "line 3); give what is made of it another name"
            ),
        ),
        (
            "return base",
            (
                "from livekit.strategy.loader import load_class\nfrom pathlib import Path\n"
                "Path('x.py').write_text('import livekit as lk\\nclass X(lk.Strategy): pass')\n"
                "base = load_class(Path('x.py'))"
            ),
            "uses 'base', which 'load_class' gave to the notebook in cell 2, line 4 (line 4)",
        ),
        ("return n", "try:\n    import json as n\nexcept ImportError:\n    n = 1", "a 'try' block"),
        ("return n", "with open('/dev/null') as n: pass", "a 'with' block"),
        ("return n", "n = 1\ndel n", "uses 'n', which 'del' sets"),
        (
            "return sqrt(2)",
            "from math import *",
            (
                "uses 'sqrt', which 'from math import *' brought in cell 2, line 1 (line 4); write "
                "'from math import sqrt'"
            ),
        ),
        (
            "global n; n = 1",
            "n = 0",
            (
                "strategy 'Mine' assigns the global 'n' (line 4); keep what changes in annotated "
                "attributes of the class"
            ),
        ),
        (
            "return count()",
            "n = 0\ndef count():\n    global n\n    n += 1",
            "strategy 'Mine' in 'count', which it uses, assigns the global 'n' (cell 2, line 4)",
        ),
        ("display(1)", "", "uses 'display', which only a notebook has (line 4); keep magics"),
        ("return get_ipython()", "", "uses 'get_ipython', which only a notebook has"),
        ("return _", "1 + 1", "uses '_', an int that no cell defines at its top (line 4)"),
        ("return In", "", "uses 'In', a list that no cell defines at its top (line 4)"),
        ("return eval('n')", "n = 1", "uses 'eval', which reaches names that cannot be followed"),
        ("return globals()['n']", "n = 1", "uses 'globals', which reaches names"),
        (
            "return m.pi",
            "m = math",
            "uses 'm', another name of a module (line 4); import the module under this name",
        ),
        (
            "return a",
            "a, b = 1, 2\nb = 3",
            "uses 'a', set together with 'b', which is set again elsewhere (line 4)",
        ),
        (
            "from . import x",
            "",
            "strategy 'Mine' imports relatively ('from . ...') (line 4); write the full name",
        ),
        (
            "return max(1)",
            "exec('def max(x): return 7')",
            "uses 'max', a function that no cell defines at its top (line 4)",
        ),
    ],
)
def test_hidden_state_is_named_and_refused(notebook, body, before, message):
    assert message in refusal(mine(notebook, body, *([before] if before else [])))


def test_deleted_name_is_refused(notebook):
    cls = mine(notebook, "return n", "n = 1")
    notebook.run("%xdel n")
    assert "uses 'n', which was deleted (line 4); run the cell" in refusal(cls)


def test_module_that_no_cell_imported_is_refused_with_its_import(notebook):
    import json

    notebook.shell.push({"js": json})
    cls = mine(notebook, "return js")
    assert (
        "uses 'js', a module that no cell defines at its top (line 4); write 'import json as js'"
        in (refusal(cls))
    )


def test_local_module_is_refused_unless_the_file_lies_beside_it(notebook, own_folders, monkeypatch):
    monkeypatch.syspath_prepend(str(own_folders))
    (own_folders / "near_by.py").write_text("LOW = 1\n")
    cls = mine(notebook, "return near_by.LOW, LOW", "import near_by\nfrom near_by import LOW")
    message = refusal(cls)
    assert "imports 'near_by', which only this notebook finds" in message
    assert "(line 4)" in message
    path = export(cls, "mine.py")
    first = code_hash_of(path)
    assert load_class(path).__name__ == "Mine"
    with pytest.raises(StrategyError, match="near_by"):
        export(cls)
    (own_folders / "near_by.py").write_text("LOW = 2\n")
    assert code_hash_of(path) != first
    sys.modules.pop("near_by")


@pytest.mark.parametrize(
    ("cells", "change", "stale", "message"),
    [
        (["N = 1"], "globals()['N'] = 2", ["N"], r"uses 'N', which is 2 in the notebook but 1 by"),
        (["N = [1]"], "N.append(2)", ["N"], r"which is \[1, 2\] in the notebook but \[1\] by its"),
        (["N = {'a': [1]}"], "N['a'] = [1, 2]", ["N"], r"uses 'N'"),
        (["def N(): return 1"], "exec('def N(): return 2')", ["N"], r"uses 'N', which is not what"),
        (["def N(): return 1"], "N.memo = {}", ["N"], r"uses 'N', which is not what its text"),
        (["K = 1\ndef N(k=K): return k"], "K = 2", ["N"], r"\(cell 2, line 2\)"),
        (["class N:\n    x = 1"], "N.x = 2", ["N.x"], r"uses 'N.x'"),
        (["class N:\n    def f(self): return 1"], "N.g = 1", ["N.g"], r"uses 'N.g'"),
        (
            ["from dataclasses import dataclass\n@dataclass\nclass N:\n    x: int = 1"],
            "N.__init__ = lambda self: None",
            ["N.__init__"],
            r"uses 'N.__init__'",
        ),
        (["N = 1"], "exec('N = 1.0')", ["N"], r"which is 1.0 in the notebook but 1 by its text"),
        (["import math as N"], "exec('import cmath as N')", ["N"], r"uses 'N'"),
        (["from math import pi as N"], "exec('N = 3')", ["N"], r"uses 'N'"),
        (["N = 1"], "exec('N = 1')", [], None),
        (["N = float('nan')"], "exec('N = float(\"nan\")')", [], None),
    ],
)
def test_name_that_is_not_what_its_text_says_is_stale(notebook, cells, change, stale, message):
    cls = mine(notebook, "return N", *cells)
    exported(cls)
    notebook.run(change)
    assert stale_names(cls) == stale
    if message is None:
        exported(cls)
    else:
        assert re.search(message, refusal(cls))


def test_method_replaced_from_another_cell_is_stale(notebook):
    cls = mine(notebook, "return 1")
    notebook.run("def other(self, quote): return 2\nMine.on_quote = other")
    assert stale_names(cls) == ["Mine.on_quote"]
    assert "uses 'Mine.on_quote', which is not what its text says (line 2)" in refusal(cls)


def test_class_made_with_an_older_constant_is_stale(notebook):
    cell = "class Mine(lk.Strategy):\n    fast = lk.Param(FAST)\n    seen: lk.array(LENGTH)"
    cls = notebook.run(SETUP, "FAST = 0.5\nLENGTH = 8", cell)["Mine"]
    notebook.run("LENGTH = 9")
    assert stale_names(cls) == ["Mine.seen"]
    notebook.run("FAST = 0.25")
    assert stale_names(cls) == ["Mine.fast", "Mine.seen"] or stale_names(cls) == ["Mine.fast"]
    assert "run that cell again" in refusal(cls)
    assert stale_names(notebook.run(cell)["Mine"]) == []


def test_class_made_with_an_older_base_is_stale(notebook):
    base = "class Base(lk.Strategy):\n    def level(self):\n        return {}"
    child = "class Mine(Base):\n    pass"
    cls = notebook.run(SETUP, base.format(1), child)["Mine"]
    notebook.run(base.format(2))
    assert stale_names(cls) == ["Base.level"]
    notebook.run(base.format(1))
    assert stale_names(cls) == []


def test_class_that_a_later_cell_defines_anew_is_stale(notebook):
    cls = mine(notebook, "return 1")
    newer = mine(notebook, "return 2")
    assert stale_names(cls) == ["Mine.on_quote"]
    assert "return 2" in exported(newer).source


def test_order_is_one_that_runs(notebook):
    """Helpers of constants come before them, base classes that name their children too."""
    names = notebook.run(
        SETUP,
        """
        class Base(lk.Strategy):
            def on_start(self):
                self.log("child", Mine.level)
        """,
        "def deep(): return LAST\nLAST = 5\ndef shallow(): return deep()\nTABLE = [shallow()]",
        """
        class Mine(Base):
            level = TABLE[0]
            def on_quote(self, quote):
                return odd(1)
        """,
        "def odd(n): return n != 0 and even(n - 1)\ndef even(n): return n == 0 or odd(n - 1)",
    )
    made = exported(names["Mine"])
    places = [made.source.index(f"\n{text}") for text in ("LAST", "def deep", "def shallow")]
    places += [made.source.index(f"\n{text}") for text in ("TABLE", "class Mine")]
    assert places == sorted(places)
    assert load_class(made.path, "Mine").level == 5
    assert load_class(exported(names["Base"]).path, "Base").__name__ == "Base"


WRITTEN = r"""
class Mine(lk.Strategy):
    def __init__(self):
        super().__init__("mine")
---
class Mine(lk.Strategy):
    jit = True
    timer = 1.0
    symbols = ('A', 'B')
---
class Side:
    extra = 1

class Mine(Side, lk.Strategy):
    x: int = 3
---
class Mine(lk.Strategy):
    f = lambda self: (n := 3) + n
    g = staticmethod(lambda: 1)
---
class Mine(lk.Strategy):
    class Inner:
        y = 2
    z = Inner.y
---
class Mine(lk.Strategy):
    x: 'float' = 1.5
    y: 'lk.array(4)'
---
class Mine(lk.Strategy):
    def f(self, q: 'Quote') -> 'pd.DataFrame':
        x: Nope = 1
---
class Mine(lk.Strategy):
    k = {k: v for k, v in zip('ab', range(2))}
    s = {1, 2}
---
class Mine(lk.Strategy):
    def on_quote(self, quote):
        return f'{quote!r:>{WIDTH}}'
---
from dataclasses import dataclass, field
@dataclass
class Mine(lk.Strategy):
    x: int = 3
---
def same(cls):
    return cls
@same
class Mine(lk.Strategy):
    @property
    def p(self): return W
W = 1
---
from enum import Enum
class E(Enum):
    A = 1
class Mine(lk.Strategy):
    e = E.A
---
from typing import NamedTuple
class T(NamedTuple):
    a: int
class Mine(lk.Strategy):
    t = T(1)
---
from functools import lru_cache, partial
@lru_cache
def f(x): return x
class Mine(lk.Strategy):
    y = f(2)
    g = partial(f, 1)
---
import functools
def d(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
class Mine(lk.Strategy):
    @d
    def h(self): pass
---
import re, datetime as dt, decimal
P = re.compile('a+')
T = dt.timedelta(1)
D = decimal.Decimal('1.5')
class Mine(lk.Strategy):
    def f(self): return P, T, D
---
import numpy as np
A = np.arange(4.0) * 2
K = np.float64(3)
class Mine(lk.Strategy):
    def f(self): return A, K
---
adders = [lambda x, n=n: x + n for n in range(3)]
class Mine(lk.Strategy):
    def f(self): return adders
---
def make(n):
    return lambda x: x + n
up = make(2)
class Mine(lk.Strategy):
    def f(self): return up(1)
---
Alias = lk.Strategy
Price = float
class Mine(Alias):
    x: Price = 1.0
---
a = b = 2
c, (d, *e) = 1, (2, 3)
class Mine(lk.Strategy):
    def f(self): return a, b, c, d, e
---
import os.path, xml.etree
import os
class Mine(lk.Strategy):
    def f(self): return os.path.join('a'), os.sep
---
x = 1; n = 2; y = 3
class Mine(lk.Strategy):
    def f(self): return n
---
T = '''a
  b'''
class Mine(lk.Strategy):
    '''Doc

    more.'''
    def f(self): return T
---
class Mine(lk.Strategy):
    max = max
    def f(self, sum): return sum, open, print
---
NAME = 'é'  # ü
class Größe(lk.Strategy): pass
class Mine(Größe):
    n = NAME
---
F = lk.Param(0.5, 0, 1, hot=True)
class Mine(lk.Strategy):
    fast = F
---
def Mine(): pass
class Mine(lk.Strategy):
    async def f(self):
        async for x in self: yield x
"""


@pytest.mark.parametrize("text", WRITTEN.strip("\n").split("\n---\n"))
def test_text_gives_the_same_class_in_a_file(notebook, text):
    notebook.run(SETUP, "WIDTH = 12\nimport pandas as pd", text)
    cls = notebook.names["Mine"]
    made = exported(cls)
    fresh = load_class(made.path, "Mine")
    assert repr(declare(fresh)) == repr(declare(cls))
    assert stale_names(cls) == []
    assert exported(cls) == made


def test_future_annotations_of_an_earlier_cell_count(notebook):
    names = notebook.run(
        "from __future__ import annotations",
        SETUP,
        "N = 4",
        """
        class Mine(lk.Strategy):
            x: float = 1.0
            y: lk.array(N)
            def f(self, q: Nope): pass
        """,
    )
    made = exported(names["Mine"])
    assert body_of(made).startswith("from __future__ import annotations\n\nimport livekit as lk\n")
    assert load_class(made.path).__name__ == "Mine"
    assert declare(load_class(made.path)).state["y"].shape == (4,)


def test_magics_are_left_out_and_cell_magics_seen_through(notebook):
    notebook.run(SETUP)
    with_magic = "%%time\n\nclass Mine(lk.Strategy):\n    def f(self):\n        return nosuch\n"
    cls = notebook.run("%timeit -n1 -r1 1\n!true\nK = 2\n%config", with_magic)["Mine"]
    assert "(line 5)" in refusal(cls)  # as the user counts the cell's lines
    cls = notebook.run(with_magic.replace("nosuch", "K"))["Mine"]
    assert body_of(exported(cls)).count("K") == 2
    magic = "class Mine(lk.Strategy):\n    def f(self):\n        %time x = 1\n"
    assert "uses 'get_ipython', which only a notebook has (line 3)" in refusal(
        notebook.run(magic)["Mine"]
    )


def test_cell_that_failed_half_way_is_no_obstacle(notebook):
    notebook.run(SETUP)
    notebook.fails("N = 1\n1 / 0\nM = 2")
    notebook.fails("class Broken(:")
    cls = notebook.run(MINE.format(body="return N"))["Mine"]
    assert "N = 1" in exported(cls).source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exec('class Mine(lk.Strategy): pass')", "no cell of this notebook defines it"),
        ("Mine = type('Mine', (lk.Strategy,), {})", "no cell of this notebook defines it"),
        (
            (
                "def make():\n    n = 1\n    class Mine(lk.Strategy):\n        k = n\n"
                "    return Mine\nMine = make()"
            ),
            "uses 'n', a local variable of the function around the class (line 4)",
        ),
        (
            (
                "def make():\n    class Mine(lk.Strategy):\n        def f(self):\n"
                "            return Mine\n    return Mine\nMine = make()"
            ),
            "uses 'Mine', a local variable of the function around the class (line 4)",
        ),
        (
            "class Out:\n    class Mine(lk.Strategy): pass\nMine = Out.Mine",
            "is defined inside class 'Out'",
        ),
        ("Mine = 3", "is no strategy class"),
        ("Mine = lk.Strategy", "does nothing; derive a class"),
        ("class One(lk.Strategy): pass\nMine = One()", "not an instance"),
    ],
)
def test_class_without_a_text_of_its_own_is_refused(notebook, text, message):
    notebook.run(SETUP, text)
    assert message in refusal(notebook.names["Mine"])


def test_class_of_a_function_in_a_cell_is_moved_to_the_margin(notebook):
    text = """
        def make():
            class Mine(lk.Strategy):
                '''Doc
                  text.'''
                def f(self):
                    return N
            return Mine
        N = 1
        Made = make()
    """
    made = exported(notebook.run(SETUP, text)["Made"])
    assert "\nclass Mine(lk.Strategy):\n    '''Doc\n          text.'''\n    def f(self):\n" in (
        made.source
    )


def test_script_that_run_brought_in_is_its_own_file(notebook, own_folders):
    path = own_folders / "script.py"
    path.write_text("import livekit as lk\nclass Mine(lk.Strategy):\n    def f(self): pass\n")
    notebook.run("%run script.py")
    assert exported(notebook.names["Mine"]).path == path


def test_export_loads_in_a_python_without_a_notebook(notebook):
    made = exported(mine(notebook, "self.x = SIZE * math.pi", "SIZE = 2.0"))
    code = (
        "import sys; from pathlib import Path; from livekit.strategy.loader import load_class\n"
        f"cls = load_class(Path({str(made.path)!r}), 'Mine')\n"
        "made = cls(); made.on_quote(None); print(made.x, 'IPython' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "6.283185307179586 False\n"


def test_exporting_leaves_no_module_and_no_path_behind(notebook):
    before, path = set(sys.modules), list(sys.path)
    exported(mine(notebook, "pass"))
    assert {name for name in set(sys.modules) - before if "livekit_strategy" in name} == set()
    assert sys.path == path


def test_list_that_holds_itself_is_refused(notebook):
    cls = mine(notebook, "return n", "n = []\nn.append(n)")
    assert "uses 'n', a list of the notebook (line 4)" in refusal(cls)


def test_circle_of_early_uses_is_a_sentence(notebook):
    """What only ran because of an older value cannot run in a file."""
    cls = mine(notebook, "return b", "a = 1\nb = a", "a = b")
    message = refusal(cls)
    assert message.startswith("strategy 'Mine' does not run from its text alone: strategy file")
    assert "cannot be imported: NameError" in message
    assert message.endswith("run the notebook from its top to see why")


def test_a_thousand_exports_are_kept_and_the_oldest_go(notebook, monkeypatch):
    from livekit.strategy.export import files

    monkeypatch.setattr(files, "EXPORTS_KEPT", 3)
    cls = mine(notebook, "return N", "N = 0")
    made = []
    for number in range(5):
        notebook.run(f"N = {number}")
        made.append(exported(cls).path)
    assert [path.exists() for path in made] == [False, False, True, True, True]
