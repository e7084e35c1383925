"""Research: recorded data through the trading core in one process, and what came of it."""
