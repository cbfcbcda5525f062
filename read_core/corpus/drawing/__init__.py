"""Drawn presenters."""
