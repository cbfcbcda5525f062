"""Contact sheets, maps and plots."""
