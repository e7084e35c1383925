"""Sockets: WebSocket, REST, and how often either may be tried."""
