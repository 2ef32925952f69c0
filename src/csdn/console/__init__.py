"""What a terminal sees of a command: progress, and nothing with `--quiet`."""
