"""Training curves: what each epoch of each seed ended with."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from reid.report.style import PANEL, panels, plain, styled

MEANINGS = {
    "learning_rate": "learning rate",
    "loss": "loss (Eq. 5)",
    "attention": "part attention loss (Eq. 2)",
    "identity_accuracy": "identity accuracy of the batches",
    "true_part_probability": "attention to the true part (Eq. 1)",
}
SHARES = ("identity_accuracy", "true_part_probability")


@styled
def training_curves(histories: Mapping[int, pd.DataFrame], title: str) -> Figure:
    """One panel for each column of `history.csv`, one line for each seed, over the epochs."""
    columns = [name for name in next(iter(histories.values())).columns if name != "epoch"]
    figure, axes = panels(len(columns), across=3, size=PANEL)
    for axis, column in zip(axes, columns, strict=True):
        for seed, history in histories.items():
            axis.plot(history["epoch"], history[column], label=f"seed {seed}", marker=_marker(history))
        axis.set_title(MEANINGS.get(column, _words(column)))
        axis.set_xlabel("epoch")
        if column in SHARES:
            axis.set_ylim(0, 1)
        plain(axis)
    if len(histories) > 1:
        axes[0].legend()
    figure.suptitle(title)
    return figure


def _marker(history: pd.DataFrame) -> str | None:
    """A dot where a single epoch would make no line."""
    return "o" if len(history) == 1 else None


def _words(column: str) -> str:
    kind, _, embedding = column.partition("_")
    return f"{kind} loss, {embedding}" if kind in ("identity", "triplet") and embedding else column.replace("_", " ")
