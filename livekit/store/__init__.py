"""Recorded data: the Parquet catalog, its replay, its importers and its generator."""
