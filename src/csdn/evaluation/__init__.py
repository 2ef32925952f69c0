"""Embedding, protocols and ranking."""
