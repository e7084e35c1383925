"""The paper exchange: orders matched against the recorded or live market, as a venue would.

`orders` takes requests in, `matching` lets the market fill what rests, `queueing` keeps
its place in the queue, and `answers` says what happened, through the functions of
`venue` alone. `wire` holds what is in flight between the two sides and `flight` lets
it arrive. The venue's view of an order (fields ``venue_*`` and ``queue_*`` of its row,
``venue_lots`` of the position) runs ahead of the core's by the latency; without one
the two are the same and nothing is ever queued.
Layer 2.
"""
