"""Text: from files to word ids."""
