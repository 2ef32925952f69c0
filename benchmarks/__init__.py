"""Measurements of speed and memory against plain implementations of the same steps."""
