"""A trained model under the interfaces of other tools. Each module imports its tool, and is imported by it alone."""
