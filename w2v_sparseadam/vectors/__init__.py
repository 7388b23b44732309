"""Word vectors: load, save and search."""
