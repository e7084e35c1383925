"""What the options of ``livekit sweep`` mean: values of a grid, and a condition on them.

A condition is read as Python reads it and computed here, node by node: comparisons,
arithmetic and and/or/not over parameters and numbers. Nothing else is Python to it, so a
command line from a script or a colleague runs nothing.
Layer 5.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from types import SimpleNamespace
from typing import Any, Final

from livekit.errors import ConfigError

__all__ = ["parse_grid", "parse_where"]

_MAX_VALUES: Final = 100_000
_MAX_NODES: Final = 200

_OPERATORS: Final[dict[type, Callable[..., Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def parse_grid(items: Sequence[str]) -> dict[str, list[float]]:
    """Return the values of each parameter of ``NAME=VALUES``.

    Values are numbers and ranges ``LOW:HIGH:STEP``, with commas between them. A range
    holds its HIGH when a step comes to it, in decimal arithmetic: ``0.1:0.3:0.1`` is
    0.1, 0.2 and 0.3.

    Raises
    ------
    ConfigError
        An item is none, names a parameter again, or is too long.
    """
    found: dict[str, list[float]] = {}
    for item in items:
        name, sign, text = (part.strip() for part in item.partition("="))
        if not sign or not name or not text:
            raise ConfigError(
                f"grid {item!r} is not of the form name=values, such as fast=0.05:0.5:0.05 or "
                "slow=0.01,0.02"
            )
        if name in found:
            raise ConfigError(f"grid of {name!r} is given twice; give all its values at once")
        found[name] = [value for part in text.split(",") for value in _values(item, part)]
    return found


def _values(item: str, part: str) -> list[float]:
    if part.strip().lower() in {"true", "false"}:
        return [part.strip().lower() == "true"]
    try:
        numbers = [Decimal(piece.strip()) for piece in part.split(":")]
    except InvalidOperation:
        numbers = []
    if len(numbers) not in {1, 3} or not all(one.is_finite() for one in numbers):
        raise ConfigError(
            f"grid {item!r} holds {part!r}, expected a number or a range low:high:step"
        )
    if len(numbers) == 1:
        return [_plain(numbers[0])]
    low, high, step = numbers
    if step <= 0 or high < low:
        raise ConfigError(
            f"range {part!r} of grid {item!r} has no value, expected low:high:step with a step "
            "above 0 and low not above high"
        )
    count = int((high - low) / step) + 1 if (high - low) / step < _MAX_VALUES else _MAX_VALUES + 1
    if count > _MAX_VALUES:
        raise ConfigError(
            f"range {part!r} of grid {item!r} has more than {_MAX_VALUES:,} values; take a larger "
            "step"
        )
    return [_plain(low + i * step) for i in range(count)]


def _plain(value: Decimal) -> float:
    return int(value) if value == value.to_integral_value() else float(value)


def parse_where(text: str, names: Sequence[str]) -> Callable[[SimpleNamespace], bool]:
    """Return the condition of a text, as `lk.sweep` takes it.

    Parameters
    ----------
    text : str
        Such as ``fast > 2 * slow and fast < 0.5``.
    names : sequence of str
        Of the parameters.

    Raises
    ------
    ConfigError
        The text is no condition, holds more than that, or names no parameter.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"where {text!r} is no condition ({getattr(error, 'msg', error)}); write one such as "
            "'fast > slow'"
        ) from None
    nodes = list(ast.walk(tree))
    if len(nodes) > _MAX_NODES:
        raise ConfigError(f"where is {len(nodes)} parts long, expected at most {_MAX_NODES}")
    for node in nodes:
        _check(text, node, names)

    def is_kept(params: SimpleNamespace) -> bool:
        return bool(_compute(tree.body, vars(params)))

    return is_kept


def _check(text: str, node: ast.AST, names: Sequence[str]) -> None:
    from livekit.strategy.spec import did_you_mean

    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ConfigError(
                f"where {text!r} names {node.id!r}, which is no parameter; "
                + did_you_mean(node.id, names)
            )
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, bool | int | float):
            raise ConfigError(f"where {text!r} holds {node.value!r}, expected numbers only")
    elif (
        not isinstance(
            node,
            ast.Expression
            | ast.BoolOp
            | ast.BinOp
            | ast.UnaryOp
            | ast.Compare
            | ast.boolop
            | ast.expr_context,
        )
        and type(node) not in _OPERATORS
    ):
        raise ConfigError(
            f"where {text!r} holds more than a condition ({type(node).__name__}), expected "
            "comparisons, arithmetic and and/or/not of parameters and numbers"
        )


def _compute(node: ast.AST, values: dict[str, Any]) -> Any:
    """Compute one node that `_check` has let through."""
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_compute(node.operand, values))
    if isinstance(node, ast.BinOp):
        left, right = _compute(node.left, values), _compute(node.right, values)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.BoolOp):
        parts = (_compute(one, values) for one in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    assert isinstance(node, ast.Compare)
    sides = [_compute(one, values) for one in (node.left, *node.comparators)]
    pairs = zip(node.ops, sides, sides[1:], strict=False)
    return all(_OPERATORS[type(op)](left, right) for op, left, right in pairs)
