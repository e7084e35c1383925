"""The command line: ``livekit``."""
