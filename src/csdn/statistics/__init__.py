"""From scores to comparisons, paired tests and power: pure."""
