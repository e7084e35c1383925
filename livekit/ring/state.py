"""A strategy's state and parameters, read out of its segment by name.

Works while the strategy trades, waits or hangs, and after it is gone: the strategy
publishes its state record behind a seqlock, and nobody has to be asked.
Layer 1.
"""

from typing import Any

import numpy as np

from livekit.errors import SegmentError
from livekit.ring import seqlock
from livekit.ring.segment import Segment

__all__ = ["record_dtype", "state_of"]


def record_dtype(fields: list[list[Any]]) -> np.dtype:
    """Return the aligned dtype of a state or parameter record from its JSON description.

    Parameters
    ----------
    fields : list
        ``[name, format]`` or ``[name, format, shape]`` each.
    """
    return np.dtype(
        [(f[0], f[1], tuple(f[2])) if len(f) > 2 else (f[0], f[1]) for f in fields], align=True
    )


def state_of(segment: Segment) -> dict[str, Any]:
    """Return the state and the parameters of a strategy as they stand.

    Returns
    -------
    dict
        ``name``, ``sequence`` of the last event handled, ``state`` and ``params``, each a
        dict of numbers, booleans and lists.

    Raises
    ------
    SegmentError
        The strategy published so fast that no consistent copy could be taken.
    """
    raw = segment.read_state()
    if raw is None:
        raise SegmentError(f"state of {segment.name!r} changed at every look; try again")
    spec = segment.spec
    state = _values(np.frombuffer(raw, np.uint8), record_dtype(spec["state_dtype"]))
    params = {param["name"]: param["value"] for param in spec["params"]}
    dtype = record_dtype(spec["params_dtype"])
    if dtype.itemsize and int(segment.file.part("<i8", int(segment.header["params_offset"]))[0]):
        lines = seqlock.round_lines(dtype.itemsize) // 64
        memory = np.zeros(lines * 64, np.uint8)
        seqlock.fetch_params(segment.at("params_offset"), memory.ctypes.data, lines)
        params = _values(memory, dtype)
    return {
        "name": segment.name,
        "sequence": int(segment.header["sequence"]),
        "state": state,
        "params": params,
    }


def _values(memory: np.ndarray, dtype: np.dtype) -> dict[str, Any]:
    if not dtype.names:
        return {}
    row = memory[: dtype.itemsize].view(dtype)[0]
    return {name: row[name].tolist() for name in dtype.names}
