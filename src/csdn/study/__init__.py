"""What a study consists of, from its settings alone: paths, files, jobs, and what they are called."""
