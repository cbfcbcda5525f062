"""The stages of training, one file each, with their helpers."""
