"""Head motion: move the head of a face in finished frames a little, as a person's head moves.

A small transformer trained on little footage hardly moves the head, and a head that stands still looks like a
picture. The motion is drawn from a seed and does not depend on the speech.
"""
