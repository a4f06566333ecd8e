"""The losses: one function an equation. Nothing here knows of files, devices or logs."""
