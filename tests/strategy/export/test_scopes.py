"""Which names a text takes from outside; `symtable`, Python's own, is the judge."""

import ast
import symtable
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.strategy.export.scopes import uses_of

CASES = [
    ("def f(a, b=B): return a + b + c", "B c"),
    ("def f(x=lambda y: y + Z): return x", "Z"),
    ("@deco\ndef f(): pass", "deco"),
    ("@deco(arg, key=K)\nclass A: pass", "deco arg K"),
    ("class A(Base, metaclass=Meta): pass", "Base Meta"),
    ("class A:\n    x = 1\n    y = x", ""),
    ("class A:\n    y = x\n    x = 1", "x"),
    ("class A:\n    size = size * 2", "size"),
    ("class A:\n    x = 1\n    def f(self): return x", "x"),
    ("class A:\n    n = 3\n    xs = [n for _ in range(n)]", "range n"),
    ("class A:\n    n = 3\n    xs = [i for i in range(n)]", "range"),
    ("def f():\n    [x for x in xs if x > low]", "xs low"),
    ("def f():\n    {k: v for k, v in items() for w in v}", "items"),
    ("def f():\n    if (n := len(xs)) > 1: return n", "len xs"),
    ("def f():\n    any((hit := x) > 1 for x in xs)\n    return hit", "any xs"),
    ("def f(): return f'{x:{width}} {y!r}'", "x width y"),
    ("def f():\n    def g(): return h()\n    def h(): return k\n    return g", "k"),
    ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    return g", "y"),
    ("def f():\n    global n\n    n = m", "m"),
    ("def f():\n    global n\n    n += 1", "n"),
    ("def f():\n    global n\n    def g(): return n\n    return g", "n"),
    ("def f():\n    for i, (a, *b) in xs: pass\n    return i, a, b", "xs"),
    ("def f():\n    with open(p) as g: return g", "open p"),
    ("def f():\n    try: pass\n    except E as e: return e\n    return e", "E"),
    ("def f():\n    import os.path as p, sys\n    return p, sys, os", "os"),
    ("def f(v):\n    match v:\n        case Point(x=a, y=Y.k) | [a, *_]: return a\n", "Point Y"),
    ("def f(v):\n    match v:\n        case {'k': k, **rest}: return k, rest\n", ""),
    ("def f(): return max(abs(x) for x in (1, 2))", "max abs"),
    ("def f(max): return max", ""),
    ("def f():\n    print(later)\n    later = 1", "print"),
    ("def f():\n    del x\n", ""),
    ("class A:\n    def f(self): return super().f() + __class__.x", "super"),
    ("class A:\n    def f(self): return __secret", "_A__secret"),
    ("class _A:\n    def f(self): return __name__, __x", "__name__ _A__x"),
    ("class A:\n    class B:\n        x = y\n    z = B", "y"),
    ("async def f():\n    async for x in xs: await g(x)", "xs g"),
    ("def f(*args: T, **kw: U) -> V: return args, kw", "T U V"),
    ("class A:\n    x: float = nan\n    y: lk.array(N)", "nan float lk N"),
    ("f = lambda x, y=D: x + y + z", "D z"),
    ("N = 60 * M", "M"),
    ("N: int = M", "M int"),
    ("a, b = c, d", "c d"),
    ("class A:\n    def f(self): pass\n    g = f", ""),
    ("class A:\n    f = staticmethod(lambda: A.g(h))", "staticmethod A h"),
    ("class A:\n    x += 1", "x"),
]


def names(text, **options):
    statement = ast.parse(textwrap.dedent(text)).body[0]
    return {use.name for use in uses_of(statement, **options).uses}


class _Plain(ast.NodeTransformer):
    """Writes `x += y` out, since the table does not count it as a use of `x`."""

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return ast.Assign([node.target], value)


def judged(text):
    """Return what Python's own table says is read from outside.

    A name that a class body both reads and assigns is read outside when it is read
    first, which the table does not tell; such names are left out.
    """
    tree = ast.fix_missing_locations(_Plain().visit(ast.parse(text)))
    top = symtable.symtable(ast.unparse(tree), "text", "exec")
    found, doubtful = set(), set()
    waiting = [top]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        for symbol in table.get_symbols():
            own = symbol.get_name()
            if table is top:
                if symbol.is_referenced() and not symbol.is_assigned():
                    found.add(own)
            elif symbol.is_global() and symbol.is_referenced():
                found.add(own)
            elif table.get_type() == "class" and symbol.is_referenced() and symbol.is_local():
                doubtful.add(own)
    return found, doubtful


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_names_from_outside_are_those_of_the_table(text, expected):
    assert names(text) == set(expected.split())


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_names_from_outside_are_those_python_says(text, expected):
    found, doubtful = judged(text)
    own = {n.name for n in ast.parse(text).body if hasattr(n, "name")}
    assert names(text) - doubtful - own == found - doubtful - own


_NAME = st.sampled_from(["a", "b", "c", "d", "__e"])


def _expressions():
    pair = st.tuples(_NAME, _NAME)
    simple = st.one_of(_NAME, st.just("1"), pair.map("({0[0]} + {0[1]})".format))
    return st.one_of(
        simple,
        st.tuples(_NAME, simple, simple).map("[{0[1]} for {0[0]} in [{0[2]}]]".format),
        st.tuples(_NAME, simple, simple).map("(lambda {0[0]}={0[1]}: {0[2]})".format),
        st.tuples(_NAME, _NAME, simple).map(
            "{{{0[0]}: {0[1]} for {0[0]} in [{0[2]}] for {0[1]} in {0[0]} if {0[2]}}}".format
        ),
        st.tuples(simple, _NAME).map("f'{{{0[0]}}} {{{0[1]}!r}}'".format),
    )


def _indented(text):
    return textwrap.indent(text, "    ")


def _blocks():
    expression = _expressions()
    simple = st.one_of(
        st.tuples(_NAME, expression).map("{0[0]} = {0[1]}".format),
        expression,
        st.tuples(_NAME, expression).map("for {0[0]} in [{0[1]}]: pass".format),
        st.tuples(_NAME, expression).map("{0[0]} += {0[1]}".format),
        _NAME.map("import os as {}".format),
        _NAME.map("del {}".format),
        st.tuples(_NAME, _NAME).map("try: {0[1]}\nexcept ValueError as {0[0]}: {0[0]}".format),
    )
    return st.recursive(
        st.lists(simple, min_size=1, max_size=4).map("\n".join),
        lambda inner: st.one_of(
            st.tuples(_NAME, _NAME, expression, inner).map(
                lambda t: f"def {t[0]}({t[1]}={t[2]}):\n{_indented(t[3])}"
            ),
            st.tuples(_NAME, expression, inner).map(
                lambda t: f"class {t[0]}({t[1]}):\n{_indented(t[2])}"
            ),
            st.tuples(inner, inner).map("\n".join),
        ),
        max_leaves=6,
    )


@given(body=_blocks(), kind=st.sampled_from(["def root(self):", "class Root:"]))
def test_random_texts_are_read_as_python_reads_them(body, kind):
    text = f"{kind}\n{_indented(body)}"
    try:
        found, doubtful = judged(text)
    except SyntaxError:
        return
    assert names(text) - doubtful == found - doubtful


def test_a_use_is_early_when_running_the_statement_needs_it():
    text = """
    @deco
    class A(Base):
        x = first
        def f(self, y=default): return late
        g = lambda: later
        z = [each for each in items]
    """
    reading = uses_of(ast.parse(textwrap.dedent(text)).body[0])
    early = {use.name: use.is_early for use in reading.uses}
    assert early == {
        **dict.fromkeys(("deco", "Base", "first", "default", "items"), True),
        **dict.fromkeys(("late", "later"), False),
    }


def test_uses_have_the_line_they_stand_in():
    text = "class A(\n    Base,\n):\n    def f(self):\n        return (1 +\n                far)"
    reading = uses_of(ast.parse(text).body[0])
    assert {use.name: use.line for use in reading.uses} == {"Base": 2, "far": 6}


@pytest.mark.parametrize(
    ("text", "hard", "soft"),
    [
        ("def f(x: 'Quote') -> 'list[Other]': pass", "", "Quote list Other"),
        ("def f():\n    x: Kind = 1", "", "Kind"),
        ("class A:\n    x: 'float' = 1.0", "", "float"),
        ("class A:\n    x: 'lk.array(N)'", "lk N", ""),
        ("def f(x: Literal['not a name']): pass", "Literal", ""),
    ],
)
def test_annotations_that_are_text_are_soft_but_for_arrays(text, hard, soft):
    uses = uses_of(ast.parse(text).body[0]).uses
    assert {u.name for u in uses if not u.is_soft} == set(hard.split())
    assert {u.name for u in uses if u.is_soft} == set(soft.split())


def test_lazy_annotations_are_soft_but_for_arrays():
    text = "class A:\n    p: lk.array(N)\n    q: float = x\n    def f(self, z: Quote): pass"
    uses = uses_of(ast.parse(text).body[0], lazy_annotations=True).uses
    assert {u.name for u in uses if not u.is_soft} == {"lk", "N", "x"}
    assert {u.name for u in uses if u.is_soft} == {"float", "Quote"}


def test_writes_to_globals_and_inner_imports_are_reported_with_their_lines():
    text = "def f():\n    global n\n    n = 1\n    import os\n    from . import here\n    del n"
    reading = uses_of(ast.parse(text).body[0])
    assert reading.writes == [("n", 3), ("n", 6)]
    assert [node.lineno for node in reading.imports] == [4, 5]
