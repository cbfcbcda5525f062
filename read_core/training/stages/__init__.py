"""The stages of training, one file each, and what only they use."""
