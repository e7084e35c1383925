"""Strategies: their classes, and the process that runs one interpreted or compiled."""
