"""The version, where the lowest layer finds it.

Layer 0.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
