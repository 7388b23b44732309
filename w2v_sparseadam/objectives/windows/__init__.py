"""What models of words in a window share: the plan of a batch, the draws, and the settings."""
