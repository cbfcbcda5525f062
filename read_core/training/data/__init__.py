"""What the stages learn from."""
