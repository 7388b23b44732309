"""Evaluation of vectors on data sets: similarity, analogies, categories, odd one out."""
