"""Training: one configuration, one shared loop, one file per stage. Needs the ``train`` extra."""
