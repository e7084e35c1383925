"""Codes that do the same are equal wherever they were compiled; others are not."""

import ast
import textwrap

import pytest

from livekit.strategy.export.codes import meaning

TEXTS = [
    "def f(self, x):\n    return math.sqrt(x) + self.g(x)",
    (
        "def f(x):\n    for i in range(x):\n        if math.floor(i) > math.ceil(x): continue\n"
        "        while i: i -= math.gcd(i, 2)\n    return [math.sin(k) for k in range(3) if k]"
    ),
    (
        "def f(x):\n    'doc'\n    try:\n        return math.inf\n    except ValueError as e:\n"
        "        raise math.error(e) from None\n    finally:\n        x.close()"
    ),
    "def f(x):\n    def g(y=math.pi): return x in {'a', 'b'} and math.exp(y)\n    return g",
    "class f:\n    n = 1\n    def g(self): return super().g(math.nan, key=math.tau)",
    "def f(x):\n    match x:\n        case [a, *b] if math.isnan(a): return f'{b!r:>{a}}'\n",
    "async def f(x):\n    async with math.lock() as y: return await y.z(*x, **{})\n",
]


def compiled(text, around=""):
    """Return the meaning of the code of `f` compiled behind another text."""
    code = compile(textwrap.dedent(around) + text, "text", "exec", dont_inherit=True)
    return next(meaning(c) for c in code.co_consts if getattr(c, "co_name", "") == "f")


@pytest.mark.parametrize("text", TEXTS)
def test_text_means_the_same_wherever_it_is_compiled(text):
    alone = compiled(text)
    assert compiled(text, "import math\n\n\n") == alone
    assert compiled(text, "from __future__ import annotations\nimport math\n") == alone
    tree = ast.Module([ast.parse("\n\n" + text).body[0]], [])
    code = compile(tree, "cell", "exec", dont_inherit=True)
    assert meaning(next(c for c in code.co_consts if getattr(c, "co_name", "") == "f")) == alone


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 2"),
        ("def f(x): return x + 1", "def f(x): return x + 1.0"),
        ("def f(x): return x + 1", "def f(x): return x + True"),
        ("def f(x): return x + y", "def f(x): return x + z"),
        ("def f(x): return x < 1", "def f(x): return x <= 1"),
        ("def f(x): return x.a", "def f(x): return x.b"),
        ("def f(x): return x.a", "def f(x): return x.a()"),
        ("def f(x): 'a'", "def f(x): 'b'"),
        ("def f(x): return lambda: 1", "def f(x): return lambda: 2"),
        ("def f(x):\n  while x: g()\n  h()", "def f(x):\n  while x:\n    g()\n    h()"),
        ("def f(x): return x", "def f(*x): return x"),
        ("def f(x): return g(a=x)", "def f(x): return g(b=x)"),
        ("def f(x): return x - 0.0", "def f(x): return x - -0.0"),
        ("def f(x): return x", "def f(x): yield x"),
    ],
)
def test_texts_that_do_different_things_differ(one, two):
    assert compiled(one) != compiled(two)
