"""Evaluation of checkpoints: measures on generated pixels, and suites that run them."""
