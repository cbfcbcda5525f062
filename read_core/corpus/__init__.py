"""The procedural corpus: speech with known phoneme times, and drawn presenters whose mouths follow it."""
