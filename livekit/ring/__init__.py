"""The rings: lock-free queues in shared memory, worked by jitted functions."""
