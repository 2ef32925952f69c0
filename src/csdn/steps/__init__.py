"""What each step depends on, and whether its inputs are what it should be given."""
