"""Training: one configuration and one file per stage, one shared loop. Needs the ``train`` extra."""
