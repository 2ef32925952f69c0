"""Use of a trained encoder: searching galleries of any size, and export."""
