"""The suites of ``read-core evaluate``."""
