"""Held-out portraits, recordings and talks, and the videos made of them."""
