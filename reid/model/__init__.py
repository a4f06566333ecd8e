"""The network: tensors in, tensors out. Nothing here opens a file, picks a device or logs.

The one exception is timm's: asked for ImageNet weights by name, it reads them from its cache, or fetches them.
"""
