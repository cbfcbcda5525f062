"""The command line, ``read-core``."""
