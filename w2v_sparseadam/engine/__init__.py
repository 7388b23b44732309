"""Takes the steps of a run on all threads, to the same bytes on any number of them."""
