"""Faces in a portrait: where they are, a crop that is aligned with one, and the way back into the picture."""
