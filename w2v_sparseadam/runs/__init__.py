"""The folder of a run, as it is on the disk."""
