"""What a study consists of: its jobs and results, where they lie and what they are called."""
