"""Evaluation of vectors on data sets of human ratings and analogies."""
