"""``read-core bench``: how fast a machine is, from inputs to frames in main memory, next to a plain loop."""
