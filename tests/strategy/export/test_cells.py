"""Statements cut out of texts as they were typed."""

import ast

import pytest

from livekit.strategy.export.bindings import Form, bindings_of
from livekit.strategy.export.cells import Cell, Cells, statement_text
from livekit.strategy.export.files import snake_name


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("x = 1\n# why\n# so\ny = 2  # here\nz = 3", 1, "# why\n# so\ny = 2  # here"),
        ("x = 1\n\n# far\n\ny = 2", 1, "y = 2"),
        ("#!/usr/bin/python\n# %% cell\n# -*- coding: utf-8 -*-\ny = 2", 0, "y = 2"),
        ("x = 1; y = 2; z = 3", 1, "y = 2"),
        ("x = 1; y = 2  # of both", 1, "y = 2"),
        ("é = 'ü'; y = (1,\n  2); z = 3", 1, "y = (1,\n  2)"),
        (
            "@a\n# between\n@b(\n 1)\ndef f(): pass\nx = 1",
            0,
            "@a\n# between\n@b(\n 1)\ndef f(): pass",
        ),
        ("def f():\n    '''a\n  b'''\n    # end\n    return 1\n# after", 0, None),
        ("x = '''\n  a\n'''\ny = 1", 0, "x = '''\n  a\n'''"),
        ("x = 'a\x0cb'\ny = '\u2028'\nz = 1", 2, "z = 1"),
    ],
)
def test_statement_is_cut_out_with_its_comments(text, index, expected):
    node = ast.parse(text).body[index]
    assert statement_text(text, node) == (expected or text.rsplit("\n", 1)[0])


def test_statement_of_a_function_moves_to_the_margin_but_its_strings_do_not():
    text = (
        "def f():\n    # above\n    class A:\n        '''Doc\n        more'''\n\n"
        "        x = f'''\n  {1}\n'''\n    # low\n        y = (\n1)\n"
    )
    node = ast.parse(text).body[0].body[0]
    assert statement_text(text, node) == (
        "# above\nclass A:\n    '''Doc\n        more'''\n\n    x = f'''\n  {1}\n'''\n# low\n"
        "    y = (\n1)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a.b, c as d", [("a", Form.IMPORT), ("d", Form.IMPORT)]),
        ("from a import *", [("*", Form.STAR)]),
        ("a = b = 1", [("a", Form.CONSTANT), ("b", Form.CONSTANT)]),
        ("a, (b, *c) = x", [(n, Form.CONSTANT) for n in "abc"]),
        ("a: int", []),
        ("a: int = 1", [("a", Form.CONSTANT)]),
        ("a.b = c[0] = 1", []),
        ("a = (b := 1)", [("a", Form.CONSTANT), ("b", Form.OTHER)]),
        ("def f(x=(y := 1)): z = 1", [("y", Form.OTHER), ("f", Form.FUNCTION)]),
        ("class A:\n    x = 1", [("A", Form.CLASS)]),
        ("for i in x:\n    j = 1\n    def g(): k = 1", [(n, Form.OTHER) for n in "ijg"]),
        ("try: pass\nexcept E as e: import q", [(n, Form.OTHER) for n in "eq"]),
        ("match x:\n    case [a, {**b}]: pass", [(n, Form.OTHER) for n in "ab"]),
        ("[i for i in x]", []),
        ("lambda: (a := 1)", []),
    ],
)
def test_bindings_say_how_a_name_is_bound(text, expected):
    found = [(b.name, b.form) for b in bindings_of(ast.parse(text).body[0])]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_last_cell_that_binds_a_name_counts_and_what_is_no_python_does_not():
    cells = Cells([Cell("1", "x = 1\ny = 1"), Cell("2", "x = ("), Cell("3", "x = 3")])
    assert cells.last("x").cell.label == "3"
    assert cells.last("y").cell.label == "1"
    assert cells.last("z") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EmaCross", "ema_cross"),
        ("HTTPMaker", "http_maker"),
        ("MA2Cross", "ma2_cross"),
        ("_Mine", "mine"),
        ("one", "one"),
        ("_", "strategy"),
    ],
)
def test_class_name_becomes_a_file_name(name, expected):
    assert snake_name(name) == expected
