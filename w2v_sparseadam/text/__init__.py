"""From files to word ids."""
