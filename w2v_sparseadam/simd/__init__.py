"""What Numba lacks: vectors of 16 floats, atomic operations, a safe compile cache."""
