"""The procedural corpus: speech with known phoneme times, mouth shapes, and drawn presenters that show them."""
