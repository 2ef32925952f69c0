"""Use of a trained encoder: search in galleries of any size, and export."""
