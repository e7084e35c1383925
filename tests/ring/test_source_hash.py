"""The cache of machine code is named by the sources that can reach machine code."""

import pytest
import source

from livekit.ring.jit import UNCOMPILED

PLAIN = [
    name
    for name, path in source.modules().items()
    if path.relative_to(source.PACKAGE).as_posix().startswith(UNCOMPILED)
]


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_module_that_the_hash_leaves_out_holds_no_jitted_code(name):
    # Where the compiled code lies may be asked; how to compile may not be taken.
    text = (
        source.modules()[name]
        .read_text()
        .replace("from livekit.ring.jit import cache_folder\n", "")
    )
    assert "livekit.ring.jit" not in text
    assert "@numba" not in text


def test_no_module_with_jitted_code_imports_one_that_the_hash_leaves_out():
    wrong = [
        (name, item.imported)
        for name, path in source.modules().items()
        if name not in PLAIN and "livekit.ring.jit" in path.read_text()
        for item in source.imports_of(name)
        if item.imported in PLAIN and not item.is_for_types
    ]
    assert wrong == []
