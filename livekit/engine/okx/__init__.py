"""The OKX side of an engine: feed, order venue, account."""
