"""Memory as the hot path sees it: addresses, typed views on them, ordered loads and stores.

Python holds NumPy views of a segment and hands their addresses to jitted functions
as plain integers. `record(DTYPE, address)` is the NumPy view again, inside jitted
code: a record of that dtype with fields to read and write, which lowers to a bare
pointer. Integers cost 188 ns per call from Python where arrays cost 272 to 424, and
neither they nor records carry a reference count between functions that do not inline
(BACKTEST: six times slower with arrays).

Numba has no atomics for the CPU. A plain load in a spin loop is hoisted out of it,
and plain stores may be moved, so every word shared between processes is read with
`load_acquire` and written with `store_release`. On x86-64 both are ordinary moves
that only bind the compiler; on aarch64 the same IR gives ldar and stlr.
Layer 1. Allocates nothing.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the code generators below with its own, untyped objects.

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "boottime_ns",
    "clear_lines",
    "clock_ns",
    "copy_fresh",
    "copy_lines",
    "count_leading_zeros",
    "count_trailing_zeros",
    "fence",
    "futex",
    "load_acquire",
    "load_i64",
    "load_u32",
    "pause",
    "prefetch",
    "record",
    "sched_yield",
    "store_i64",
    "store_line",
    "store_release",
    "store_u32",
    "write_byte",
]

_I64 = ir.IntType(64)
_I32 = ir.IntType(32)
_LINE = ir.VectorType(_I64, 8)
_MONOTONIC, _BOOTTIME = 1, 7  # clocks of clock_gettime(2)
_FUTEX_CALL = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 98)


def _pointer(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def record(_context, dtype, address):
    """View the memory at `address` as a record of the NumPy dtype given."""
    kind = dtype.dtype

    def codegen(context, builder, _signature, args):
        return builder.inttoptr(args[1], context.get_value_type(kind))

    return kind(dtype, types.int64), codegen


def _loader(kind: ir.Type, result: Any, ordering: str | None, size: int):
    @intrinsic
    def load(_context, address):
        def codegen(_context, builder, _signature, args):
            pointer = _pointer(builder, args[0], kind)
            if ordering is None:
                return builder.load(pointer, align=size)
            return builder.load_atomic(pointer, ordering=ordering, align=size)

        return result(types.int64), codegen

    return load


def _storer(kind: ir.Type, value_type: Any, ordering: str | None, size: int):
    @intrinsic
    def store(_context, address, value):
        def codegen(context, builder, _signature, args):
            pointer = _pointer(builder, args[0], kind)
            if ordering is None:
                builder.store(args[1], pointer, align=size)
            else:
                builder.store_atomic(args[1], pointer, ordering=ordering, align=size)
            return context.get_dummy_value()

        return types.void(types.int64, value_type), codegen

    return store


load_i64 = _loader(_I64, types.int64, None, 8)
load_u32 = _loader(_I32, types.uint32, None, 4)
load_acquire = _loader(_I64, types.int64, "acquire", 8)
store_i64 = _storer(_I64, types.int64, None, 8)
store_u32 = _storer(_I32, types.uint32, None, 4)
store_release = _storer(_I64, types.int64, "release", 8)


@intrinsic
def copy_lines(_context, target, source, n_lines):
    """Copy `n_lines` cache lines of 64 bytes; both addresses 8-byte aligned, not overlapping."""

    def codegen(context, builder, _signature, args):
        with cgutils.for_range(builder, args[2]) as loop:
            offset = builder.shl(loop.index, ir.Constant(_I64, 6))
            line = builder.load(_pointer(builder, builder.add(args[1], offset), _LINE), align=8)
            builder.store(line, _pointer(builder, builder.add(args[0], offset), _LINE), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def copy_fresh(_context, target, source, n_lines):
    """Copy lines that this process has just written, word by word.

    A 64-byte load across eight fresh 8-byte stores has to wait until all have left the
    store buffer; word by word each comes straight out of it: 9 against 14 ns for a push
    and pop of one line. The accesses are monotonic atomics, which the compiler may not
    join into wide ones.
    """

    def codegen(context, builder, _signature, args):
        def at(base, offset):
            return _pointer(builder, builder.add(base, offset), _I64)

        with cgutils.for_range(builder, args[2]) as loop:
            start = builder.shl(loop.index, ir.Constant(_I64, 6))
            offsets = [builder.add(start, ir.Constant(_I64, 8 * word)) for word in range(8)]
            words = [
                builder.load_atomic(at(args[1], offset), ordering="monotonic", align=8)
                for offset in offsets
            ]
            for offset, word in zip(offsets, words, strict=True):
                builder.store_atomic(word, at(args[0], offset), ordering="monotonic", align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def store_line(_context, address, a, b, c, d, e, f, g, h):
    """Store eight int64 as one cache line, at a 64-byte aligned address.

    One wide store takes one place in the store buffer where eight would take eight, so
    more lines are on their way from the other core at a time.
    """

    def codegen(context, builder, _signature, args):
        line = ir.Constant(_LINE, ir.Undefined)
        for index, word in enumerate(args[1:]):
            line = builder.insert_element(line, word, ir.Constant(_I32, index))
        builder.store(line, _pointer(builder, args[0], _LINE), align=64)
        return context.get_dummy_value()

    return types.void(types.int64, *(types.int64,) * 8), codegen


@intrinsic
def count_leading_zeros(_context, value):
    """Zero bits above the highest set bit of an int64; 64 for zero."""

    def codegen(_context, builder, _signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@intrinsic
def count_trailing_zeros(_context, value):
    """Index of the lowest set bit of an int64; 64 for zero."""

    def codegen(_context, builder, _signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@intrinsic
def fence(_context):
    """Sequentially consistent fence: a store before it is visible before a load after it."""

    def codegen(context, builder, _signature, _args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def clear_lines(_context, target, n_lines):
    """Set `n_lines` cache lines of 64 bytes to zero; the address 8-byte aligned."""

    def codegen(context, builder, _signature, args):
        with cgutils.for_range(builder, args[1]) as loop:
            offset = builder.shl(loop.index, ir.Constant(_I64, 6))
            place = _pointer(builder, builder.add(args[0], offset), _LINE)
            builder.store(ir.Constant(_LINE, [0] * 8), place, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def prefetch(_context, address):
    """Ask for the cache line at an address; any address will do."""

    def codegen(context, builder, _signature, args):
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(_I32, n) for n in (0, 3, 1)]  # to read, to keep, data
        builder.call(function, [builder.inttoptr(args[0], pointer), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def pause(_context):
    """Tell the core that it spins (x86 pause, aarch64 yield)."""

    def codegen(context, builder, _signature, _args):
        if platform.machine() == "x86_64":
            kind = ir.FunctionType(ir.VoidType(), [])
            name, args = "llvm.x86.sse2.pause", []
        else:
            kind = ir.FunctionType(ir.VoidType(), [_I32])
            name, args = "llvm.aarch64.hint", [ir.Constant(_I32, 1)]
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, args)
        return context.get_dummy_value()

    return types.void(), codegen


def _reader_of(clock):
    def codegen(_context, builder, _signature, _args):
        time = cgutils.alloca_once(builder, ir.ArrayType(_I64, 2))
        kind = ir.FunctionType(_I32, [_I32, ir.ArrayType(_I64, 2).as_pointer()])
        call = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(call, [ir.Constant(_I32, clock), time])
        seconds = builder.load(cgutils.gep_inbounds(builder, time, 0, 0))
        rest = builder.load(cgutils.gep_inbounds(builder, time, 0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(_I64, 1_000_000_000)), rest)

    return types.int64(), codegen


@intrinsic
def clock_ns(_context):
    """Read CLOCK_MONOTONIC in nanoseconds, the clock all processes of a machine share."""
    return _reader_of(_MONOTONIC)


@intrinsic
def boottime_ns(_context):
    """Read CLOCK_BOOTTIME in nanoseconds, which counts a suspended machine's sleep."""
    return _reader_of(_BOOTTIME)


@intrinsic
def sched_yield(_context):
    """Give the core to another runnable process."""

    def codegen(context, builder, _signature, _args):
        kind = ir.FunctionType(_I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def write_byte(_context, descriptor, address):
    """Write the byte at `address` to a file descriptor: the doorbell of a sleeping engine."""

    def codegen(_context, builder, _signature, args):
        kind = ir.FunctionType(_I64, [_I32, _I64, _I64])
        call = cgutils.get_or_insert_function(builder.module, kind, "write")
        number = builder.trunc(args[0], _I32)
        return builder.call(call, [number, args[1], ir.Constant(_I64, 1)])

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def futex(_context, address, operation, value, timeout_address):
    """Call futex(2) on a shared 32-bit word; `timeout_address` is a timespec's or 0.

    `operation` is 0 (wait while the word equals `value`) or 1 (wake `value` waiters).
    """

    def codegen(_context, builder, _signature, args):
        kind = ir.FunctionType(_I64, [_I64], var_arg=True)
        call = cgutils.get_or_insert_function(builder.module, kind, "syscall")
        return builder.call(call, [ir.Constant(_I64, _FUTEX_CALL), *args])

    signature = types.int64(types.int64, types.int64, types.int64, types.int64)
    return signature, codegen
