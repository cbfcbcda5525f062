"""Measures on generated pixels, one per file."""
