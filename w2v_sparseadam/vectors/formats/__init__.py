"""Files of vectors: one module per format.

Two formats, both of word2vec.c and read by gensim's ``KeyedVectors.load_word2vec_format``. Each
begins with a line ``V D``, the number of words and of dimensions. Then, for every word, *text*
has a line of the word and D decimal numbers, separated by single spaces, and *binary* has the
word, a space, D little-endian float32 and a newline. Words are UTF-8 and may hold any character
but ASCII white space. Either may be compressed as a whole.
"""
