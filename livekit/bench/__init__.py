"""The benchmarks behind ``livekit bench``: measured side by side, in one run."""
