"""What a checkpoint is worth: measures on generated pixels, and the suite that runs them."""
