"""CBOW: a word is learned from the mean of its contexts."""
