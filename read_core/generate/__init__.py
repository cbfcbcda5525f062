"""Generate a video file from a portrait file and a recording."""
