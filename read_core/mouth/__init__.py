"""Read mouths and eyelids with very small networks; train these networks."""
