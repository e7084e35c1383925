"""The engine's side of the exchange: its market data and its venue."""
