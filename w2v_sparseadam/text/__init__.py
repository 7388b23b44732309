"""From corpus files to word ids on disk; `corpus` is the front door."""
