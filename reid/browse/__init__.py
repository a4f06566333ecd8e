"""A page to search with, in a browser on the same machine (`reid browse`): the extra `browse` of pyproject.toml."""
