"""The configuration: names, types and bounds of every key of the configuration files (`root.Config`)."""
