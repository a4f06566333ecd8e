"""Datasets that benchmarks measure with, made where they are needed."""
