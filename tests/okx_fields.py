"""Holds what a parser made of a message to the text that was sent, field by field."""

import msgspec


def agrees(parsed, sent):
    """Hold every field of a parsed row to what was sent; return how many there were."""
    n = 0
    names = parsed.__struct_fields__
    if isinstance(sent, list):  # a level or a bar: fields by their place
        sent = dict(zip(names, sent, strict=False))
    for name in names:
        if name not in sent:
            continue
        value, text = getattr(parsed, name), sent[name]
        if isinstance(value, list):
            assert len(value) == len(text)
            n += sum(agrees(one, other) for one, other in zip(value, text, strict=True))
        elif isinstance(value, bool):
            assert value is (text in {True, "true"}), name
        elif isinstance(value, int | float):
            assert value == type(value)(text), name
        else:
            assert value == (text if text is not None else ""), name
        n += 1
    return n


def check(rows, sent, at_least):
    """Hold rows to what was sent, each with a least number of fields compared."""
    assert len(rows) == len(sent)
    for row, one in zip(rows, sent, strict=True):
        assert agrees(row, one) >= at_least, msgspec.to_builtins(row)
