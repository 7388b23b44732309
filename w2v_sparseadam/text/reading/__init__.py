"""From sources to text: found, opened, decompressed, decoded, and taken out of records."""
