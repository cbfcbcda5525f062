"""Feature networks of published metrics, in the layout of their published weights, and those files."""
