"""What a code hash depends on, and on what it does not."""

import hashlib

import pytest

from livekit.errors import NotFoundError, StrategyError
from livekit.strategy.code_hash import (
    CACHE_HEADER,
    FILE_HEADER,
    code_hash_of,
    neighbours_of,
    text_hash,
)

TEXT = "import livekit as lk\n\n\nclass A(lk.Strategy):\n    pass\n"


def test_hash_is_the_start_of_a_sha256_of_the_text():
    assert text_hash(TEXT) == hashlib.sha256(TEXT.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "same",
    [
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        "\n\n" + TEXT + "\n\n",
        TEXT.rstrip("\n"),
        CACHE_HEADER.format(place="notebook", name="A", hash="0" * 16, source="cell") + TEXT,
        FILE_HEADER.format(place="notebook", name="A") + TEXT,
    ],
)
def test_hash_leaves_out_header_and_line_ends(same):
    assert text_hash(same) == text_hash(TEXT)


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\n" + TEXT,
        TEXT + "# Edit the cell, not this file.\n",
        TEXT.replace("    pass", "        pass"),
        TEXT.replace("\n\n\n", "\n\n"),
        "  " + TEXT,
    ],
)
def test_hash_counts_everything_else(other):
    assert text_hash(other) != text_hash(TEXT)


def test_neighbours_count_wherever_they_are_imported_from(tmp_path):
    (tmp_path / "main.py").write_text("import one\ndef f():\n    from pack import part\n")
    (tmp_path / "one.py").write_text("from two import x\nimport json, main\n")
    (tmp_path / "two.py").write_text("x = 1\n")
    (tmp_path / "unused.py").write_text("")
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__init__.py").write_text("from .inner import y\n")
    (pack / "inner.py").write_text("from . import deep\nfrom .. import nothing\n")
    (pack / "deep.py").write_text("")
    (pack / "part.py").write_text("")
    (pack / "other.py").write_text("")
    main = tmp_path / "main.py"
    names = [p.relative_to(tmp_path).as_posix() for p in neighbours_of(main)]
    expected = ["one.py", "pack/__init__.py", "pack/deep.py", "pack/inner.py", "pack/part.py"]
    assert names == [*expected, "two.py"]
    before = code_hash_of(main)
    for name in (*expected, "two.py"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text + "# changed\n")
        assert code_hash_of(main) != before
        (tmp_path / name).write_text(text)
    for name in ("unused.py", "pack/other.py"):
        (tmp_path / name).write_text("changed = 1\n")
    assert code_hash_of(main) == before


def test_file_without_neighbours_has_the_hash_of_its_text(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(TEXT)
    assert code_hash_of(path, "A") == text_hash(TEXT)
    with pytest.raises(NotFoundError, match="defines no class 'B'; there is 'A'"):
        code_hash_of(path, "B")
    path.write_bytes(b"# coding: latin-1\n# \xe9\r\n")
    digest = hashlib.sha256(b"# coding: latin-1\n# \xe9\n").hexdigest()
    assert code_hash_of(path) == digest[:16]
    path.write_text("class A(:")
    with pytest.raises(StrategyError, match="is no Python"):
        code_hash_of(path, "A")
