"""Export: a class that was typed somewhere becomes one self-contained file that runs.

`exported` gives that file to whoever runs a strategy, `export` writes it for the user.
Layer 2. Imports no Numba and no IPython.
"""

from livekit.strategy.code_hash import code_hash_of
from livekit.strategy.export.exporting import (
    ExportedStrategy,
    export,
    exported,
    stale_names,
    write_cell,
)

__all__ = [
    "ExportedStrategy",
    "code_hash_of",
    "export",
    "exported",
    "stale_names",
    "write_cell",
]
