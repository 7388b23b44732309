"""Optimizers that move rows of a matrix."""
