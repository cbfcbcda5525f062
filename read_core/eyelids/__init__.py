"""Blinks: close the eyelids of a face in finished frames at random times.

A small transformer trained on little footage generates no blinks, and a face that never blinks looks like a
mask. This part works after the decoder. A checkpoint may lack it, and users can switch it off.
"""
