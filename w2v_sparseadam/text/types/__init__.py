"""Types: the distinct runs of bytes between white space, and the words they stand for."""
