"""The rings' binary interface as a C header, generated from the NumPy dtypes.

A program built against the header can be either side of any ring: the engine's, a
strategy's, or a `LockFreeQueue`'s. It is C11 and C++17, needs no library, and checks
every size and offset when it is compiled. The order of memory accesses is that of
spsc.py, written with the compiler's ``__atomic`` builtins.
Layer 1.
"""

import enum
import hashlib
from importlib import resources
from typing import Any, Final

import numpy as np

from livekit import events
from livekit.ring import layout
from livekit.ring.counters import ENGINE_COUNTERS, STRATEGY_COUNTERS
from livekit.ring.mapping import MAGIC, PREFIX
from livekit.ring.queue import QUEUE
from livekit.ring.segment import HEADER, Phase, RunState

__all__ = ["c_header", "layout_digest", "layout_text"]

_TYPES: Final = {
    "|u1": "uint8_t",
    "<u2": "uint16_t",
    "<u4": "uint32_t",
    "<u8": "uint64_t",
    "<i8": "int64_t",
    "<f8": "double",
}

_STRUCTS: Final[dict[str, np.dtype[np.void]]] = {
    "head": events.HEAD,
    **{kind.name.lower(): dtype for kind, dtype in events.DTYPES.items()},
    "prefix": PREFIX,
    "segment": HEADER,
    "queue": QUEUE,
    "engine_counters": ENGINE_COUNTERS,
    "strategy_counters": STRATEGY_COUNTERS,
}

_ENUMS: Final[tuple[type[enum.IntEnum], ...]] = (
    events.Kind,
    events.Side,
    events.OrderType,
    events.TimeInForce,
    events.OrderStatus,
    events.Action,
    events.Reject,
    RunState,
    Phase,
)

_CONSTANTS: Final = {
    "ABI": events.ABI,
    "SLOT_BYTES": events.SLOT_BYTES,
    "ORDER_SLOT_BYTES": layout.ORDER_SLOT_BYTES,
    "BOOK_LEVELS": events.BOOK_LEVELS,
    "ANY_INSTRUMENT": events.ANY_INSTRUMENT,
    "REDUCE_ONLY": events.REDUCE_ONLY,
    "TAIL": layout.TAIL,
    "HEAD": layout.HEAD,
    "SLEEPING": layout.SLEEPING,
    "BELL": layout.BELL,
    "CONTROL_BYTES": layout.CONTROL_BYTES,
}


def c_header() -> str:
    """Return the header: constants, enums, structs with their checks, and the ring's functions."""
    sizes = ", ".join(str(size) for size in events.EVENT_BYTES.tolist())
    functions = resources.files("livekit.ring").joinpath("abi.h.in").read_text(encoding="utf-8")
    declarations = "\n".join(
        [
            *(f"#define LK_{name} {value}" for name, value in _CONSTANTS.items()),
            f'#define LK_MAGIC "{MAGIC.decode()}"',
            "",
            *(_enum(kind) for kind in _ENUMS),
            *(_struct(name, dtype) for name, dtype in _STRUCTS.items()),
            "/* Bytes of an event by kind; 0 where no such kind exists. */",
            f"static const uint16_t lk_event_bytes[16] = {{{sizes}}};",
        ]
    )
    return functions.replace("@DECLARATIONS@", declarations)


def layout_text() -> str:
    """Return every constant, enum and field with its offset and type, one a line."""
    lines = [f"{name} {value}" for name, value in _CONSTANTS.items() if name != "ABI"]
    lines += [f"{kind.__name__}.{item.name} {item.value}" for kind in _ENUMS for item in kind]
    for name, dtype in _STRUCTS.items():
        lines.append(f"{name} {dtype.itemsize}")
        lines += [
            f"{name}.{field} {at} {kind.base.str}{kind.shape}" for field, kind, at in _fields(dtype)
        ]
    return "\n".join(lines)


def layout_digest() -> str:
    """Return the digest of `layout_text`: another digest needs another ABI number."""
    return hashlib.sha256(layout_text().encode()).hexdigest()[:16]


def _fields(dtype: np.dtype[np.void]) -> list[tuple[str, np.dtype, int]]:
    """Return the fields as (name, dtype, offset), by offset."""
    fields: dict[str, Any] = dict(dtype.fields or {})
    found = [(name, field[0], int(field[1])) for name, field in fields.items()]
    return sorted(found, key=lambda field: field[2])


def _enum(kind: type[enum.IntEnum]) -> str:
    """Return an enum of C, without a type name: the fields that hold it have their own sizes."""
    prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in kind.__name__)
    items = ",\n".join(f"    LK{prefix}_{item.name} = {item.value}" for item in kind)
    return f"enum {{\n{items}\n}};\n"


def _member(kind: np.dtype, name: str) -> str:
    if kind.kind == "S":
        return f"char {name}[{kind.itemsize}]"
    base, shape = kind.subdtype or (kind, ())
    return f"{_TYPES[base.str]} {name}" + "".join(f"[{n}]" for n in shape)


def _struct(name: str, dtype: np.dtype[np.void]) -> str:
    """Return a struct of C with its padding written out, and its checks."""
    members, end = [], 0
    checks = [f"LK_CHECK(sizeof(lk_{name}) == {dtype.itemsize});"]
    for field, kind, offset in [*_fields(dtype), ("", None, dtype.itemsize)]:
        if offset > end:
            members.append(f"    uint8_t reserved_{end}[{offset - end}];")
        if kind is not None:
            members.append(f"    {_member(kind, field)};")
            checks.append(f"LK_CHECK(offsetof(lk_{name}, {field}) == {offset});")
            end = offset + kind.itemsize
    body = "\n".join(members)
    return f"typedef struct lk_{name} {{\n{body}\n}} lk_{name};\n" + "\n".join(checks) + "\n"
