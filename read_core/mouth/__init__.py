"""Reading mouths of drawn presenters: a very small network, and how its weights are made."""
