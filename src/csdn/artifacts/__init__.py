"""Files that are whole or absent, their formats and digests, and the record beside every result."""
