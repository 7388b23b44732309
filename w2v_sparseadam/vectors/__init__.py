"""Word vectors: searched, loaded and saved."""
