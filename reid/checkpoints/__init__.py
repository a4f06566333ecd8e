"""Weights on disk: our files, the authors' released checkpoints and those of other projects, as models."""
