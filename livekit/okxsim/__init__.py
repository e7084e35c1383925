"""An exchange that speaks OKX v5 on loopback, for tests, demonstrations and drills.

`exchange` owns the state, `matching` fills orders with the paper exchange, `feed` moves
the market by recorded data, `server` answers REST and WebSockets on one port, and
`faults` misbehaves on command. `running` starts one in a thread for tests.
Layer 4.
"""
