"""Protocols, ranking, scoring and re-ranking."""
