"""Calling a compiled function by its address, so that callers need not contain it.

Numba links a jitted function's code into every jitted caller and optimises it again
there, level by level; a chain of five callers over the whole trading core took 16 s to
compile. A call by address costs about 2 ns instead and nothing at compile time, so it
stands where large parts meet: engine and trading core, driver and strategy.
Layer 1.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the code generators below with its own, untyped objects.

from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["address_of", "call1", "call2", "call3", "call4"]

_ADDRESS: Final = "livekit_address"


def address_of(function: Any, n_arguments: int) -> int:
    """Compile a jitted function of int64 arguments that returns int64; return its address.

    The address is valid in this process, for as long as the function exists, and kept with
    it: a simulation asks for a dozen, and to ask the compiler takes its lock each time.
    """
    known = getattr(function, _ADDRESS, None)
    if known is not None and known[0] == n_arguments:
        return int(known[1])
    signature = (types.int64,) * n_arguments
    function.compile(signature)
    result = function.get_compile_result(types.int64(*signature))
    assert result.signature.return_type == types.int64, result.signature
    address = int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))
    setattr(function, _ADDRESS, (n_arguments, address))
    return address


def _caller(n_arguments: int):
    arguments = (types.int64,) * n_arguments

    def codegen(context, builder, _signature, args):
        convention = context.call_conv
        kind = convention.get_function_type(types.int64, arguments)
        callee = builder.inttoptr(args[0], kind.as_pointer())
        status, result = convention.call_function(builder, callee, types.int64, arguments, args[1:])
        # An assertion that failed in the callee must stop the caller too.
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return types.int64(types.int64, *arguments), codegen


@intrinsic
def call1(_context, address, a):
    """Call the function of one int64 at an address."""
    return _caller(1)


@intrinsic
def call2(_context, address, a, b):
    """Call the function of two int64 at an address."""
    return _caller(2)


@intrinsic
def call3(_context, address, a, b, c):
    """Call the function of three int64 at an address."""
    return _caller(3)


@intrinsic
def call4(_context, address, a, b, c, d):
    """Call the function of four int64 at an address."""
    return _caller(4)
