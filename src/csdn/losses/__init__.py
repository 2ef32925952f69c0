"""Training losses: tensors in, a scalar out."""
