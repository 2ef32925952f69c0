"""The straightforward implementation of each step, as the structure of the authors' code implies it.

For comparison only: tests/benchmarks trains with both and finds the same losses, benchmarks/speed.py times both.
"""
