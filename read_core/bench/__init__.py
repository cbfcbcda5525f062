"""``read-core bench``: measure the speed of a machine and compare it with a plain loop over diffusers."""
