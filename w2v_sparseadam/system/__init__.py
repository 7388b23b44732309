"""What this machine has: memory, processors, threads, and files that are written whole."""
