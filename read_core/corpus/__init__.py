"""The corpus: speech with known phoneme times, and presenters and photographs whose mouths follow it."""
