"""The stages of the workflow, one module each, run by `python -m reid STAGE`. They alone seed, print, pick devices."""
