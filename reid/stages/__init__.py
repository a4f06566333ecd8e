"""The stages of the workflow, one module each, run by `python -m reid.stages STAGE`.

They alone seed, pick devices and print, but for the commands for people (`reid.commands`).
"""
