"""The face of a portrait: find it, cut it out aligned, paste it back."""
