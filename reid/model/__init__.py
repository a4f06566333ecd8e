"""The network: tensors in, tensors out. Nothing here knows of files, devices or logs."""
