"""Tests: `paper` holds each equation against its loop; `unit`, `workflow` and `faults` say it by their names."""
