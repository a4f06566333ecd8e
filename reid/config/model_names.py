"""Names of models below `results/`: `small`, or `small@duke`, the same trained on the dataset duke.

Without one, a model is trained on the dataset that it searches, or on the one that serves it (`trains_on`).
Part of `reid.config`.
"""

AT = "@"


def entry_of(model: str) -> str:
    """The entry of `models` behind a name."""
    return model.partition(AT)[0]


def dataset_of(model: str) -> str | None:
    """The dataset on which the name says that the model is trained; None if it says none."""
    return model.partition(AT)[2] or None


def trained_on(model: str, dataset: str) -> str:
    """The name of an entry of `models`, trained on `dataset`."""
    return f"{model}{AT}{dataset}"
