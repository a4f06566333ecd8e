"""The stages of the workflow, one module each: what `python -m reid STAGE` runs. Only they seed, print and pick devices."""
