"""The face of a portrait: where it is, cutting it out aligned, and putting it back."""
