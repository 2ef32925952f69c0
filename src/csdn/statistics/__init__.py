"""Comparisons of scores, paired tests and power. Pure: no file is read or written."""
