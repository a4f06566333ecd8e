"""How all curves look, and how they are written: the same bytes for the same numbers."""

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artefacts.files import replacing

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#785ef0", "#8b4513", "#555555")
PANEL = (3.4, 2.5)  # inches, width and height
STYLE = {
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "bpbreid",  # else the names inside the file change with every run
}

styled = mpl.rc_context(STYLE)  # for functions that draw


def panels(count: int, across: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most `across` side by side, each of `size` inches."""
    columns = min(count, across)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(columns * size[0], rows * size[1] + 0.4))
    return figure, [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


def plain(axis: Axes) -> None:
    """Leave out the frame's upper and right line, which tell nothing."""
    axis.spines[["top", "right"]].set_visible(False)


@styled
def write_svg(figure: Figure, path: Path) -> None:
    """Write the figure as SVG, atomically and without a date."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
