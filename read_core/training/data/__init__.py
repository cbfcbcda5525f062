"""Datasets of the stages."""
