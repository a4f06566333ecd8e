"""Training: from batches to weights, resumable after any interruption."""
