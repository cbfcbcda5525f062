"""Feature networks of published metrics, with the layout of their published weights."""
