"""From a portrait file and a recording to a video file."""
