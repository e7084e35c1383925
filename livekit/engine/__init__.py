"""The engine: one process per account that feeds strategies and takes their orders."""
