"""The stages of the workflow, one module each: what `python -m parsing STAGE` runs."""
