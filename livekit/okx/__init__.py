"""The exchange's protocol, without I/O: bytes in, typed messages and events out."""
