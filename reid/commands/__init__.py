"""The commands for people, one module each, run by `reid COMMAND`; no rule runs them."""
