"""Formats of vectors: one module per format, and `registry`, which lists them.

Two are word2vec.c's, which gensim's ``KeyedVectors.load_word2vec_format`` reads, too. Each begins
with a line ``V D``, the numbers of words and of dimensions. Then, for each word, *text* has a line
with the word and D decimal numbers, separated by single spaces, and *binary* has the word, a space,
D little-endian float32 and a newline. Words are UTF-8, in all formats, and may hold any character
but ASCII white space.
"""
