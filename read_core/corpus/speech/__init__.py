"""Speech with known phoneme times, and the mouth tracks that follow it."""
