"""Talking photographs: still portraits whose lips, eyes and head are moved by image warps."""
