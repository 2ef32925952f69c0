"""The embedded benchmark: pedestrians rendered in the official layouts."""

GENERATOR = 1
"""Version of the benchmark. Whatever changes pixels, people or captions raises it, and the step's VERSION with it."""
