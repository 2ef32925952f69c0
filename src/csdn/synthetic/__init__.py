"""The embedded benchmark: pedestrians rendered in the official layouts."""
