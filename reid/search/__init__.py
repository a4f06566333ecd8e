"""A trained model on anybody's images: embed, compare, search. No dataset, identities, cameras or labels are needed."""
