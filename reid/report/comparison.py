"""The rows of a table side by side: CMC curves, and precision by how many parts are visible."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reid.report.style import COLOURS, PANEL, panels, plain, styled

LARGE = (PANEL[0] * 1.5, PANEL[1] * 1.4)


@dataclass(frozen=True)
class ComparedRow:
    """A row of a table: its `reports` of the evaluate stage, one a seed.

    `sees_parts` tells whether the model learnt attention; where it did not, its visibility means nothing.
    """

    label: str
    dataset: str
    sees_parts: bool
    reports: list[dict]


@styled
def cmc_curves(rows: list[ComparedRow], title: str) -> Figure:
    """Share of queries with a right image among the first k, by k: one panel a dataset, one line a row of the table.

    A line is the mean over the seeds, in a band from the lowest to the highest.
    """
    colours, datasets = colours_of(rows), datasets_of(rows)
    figure, axes = panels(max(len(datasets), 1), across=2, size=LARGE)
    for axis, dataset in zip(axes, datasets, strict=False):
        for row in (row for row in rows if row.dataset == dataset):
            colour = colours[row.label]
            curves = 100 * np.array([report["cmc"] for report in row.reports])
            ranks = np.arange(1, curves.shape[1] + 1)
            precision = 100 * np.mean([report["measures"]["mAP"] for report in row.reports])
            axis.plot(ranks, curves.mean(axis=0), color=colour, label=f"{row.label} (mAP {precision:.1f})")
            axis.fill_between(ranks, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        finish(axis, dataset, "k", "queries with a right image among the first k, %")
        axis.legend(loc="lower right")
    if not datasets:
        say(axes[0], "no dataset of this table is at hand")
    figure.suptitle(title)
    return figure


@styled
def precision_by_parts(rows: list[ComparedRow], title: str) -> Figure:
    """mAP by visible parts of the query, and precision by mutually visible parts: two panels a dataset.

    Seeds are pooled, each query or pair of each counting once; numbers under the axis are how many, of all seeds, in
    the first row. Rows whose model learnt no attention are left out.
    """
    colours, rows = colours_of(rows), [row for row in rows if row.sees_parts]
    datasets = datasets_of(rows)
    figure, axes = panels(max(2 * len(datasets), 1), across=2, size=LARGE)
    for number, dataset in enumerate(datasets):
        chosen = [row for row in rows if row.dataset == dataset]
        left, right = axes[2 * number : 2 * number + 2]
        _by_parts(left, chosen, colours, ("by_visible_parts", "queries", "mAP"))
        finish(left, dataset, "visible parts of the query (queries)", "mAP, %")
        _by_parts(right, chosen, colours, ("by_mutually_visible_parts", "pairs", "precision"))
        finish(right, dataset, "parts visible in query and right image (pairs)", "precision where it is found, %")
        left.legend()
    if not datasets:
        say(axes[0], "no row at hand has a model that learnt attention")
    figure.suptitle(title)
    return figure


def _by_parts(axis: Axes, rows: list[ComparedRow], colours: dict[str, str], names: tuple[str, str, str]) -> None:
    for number, row in enumerate(rows):
        counts, means = pooled(row.reports, *names)
        percents = [100 * mean for mean in means.values()]
        axis.plot(list(means), percents, marker="o", color=colours[row.label], label=row.label)
        if number == 0:
            axis.set_xticks(list(counts), [f"{parts}\n({count:,})" for parts, count in counts.items()])


def pooled(reports: Iterable[dict], entry: str, count: str, measure: str) -> tuple[dict[int, int], dict[int, float]]:
    """How many there are with 0, 1, … parts in all reports together, and their mean."""
    counts: dict[int, int] = {}
    sums: dict[int, float] = {}
    for line in (line for report in reports for line in report[entry]):
        parts = line["visible_parts"]
        counts[parts] = counts.get(parts, 0) + line[count]
        sums[parts] = sums.get(parts, 0.0) + line[count] * line[measure]
    return {parts: counts[parts] for parts in sorted(counts)}, {
        parts: sums[parts] / counts[parts] for parts in sorted(counts)
    }


def datasets_of(rows: list[ComparedRow]) -> list[str]:
    """Datasets of the rows, in the table's order."""
    return list(dict.fromkeys(row.dataset for row in rows))


def colours_of(rows: list[ComparedRow]) -> dict[str, str]:
    """A colour for each label, the same in every panel and figure of the table."""
    labels = dict.fromkeys(row.label for row in rows)
    return {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(labels)}


def say(axis: Axes, text: str) -> None:
    """Write in place of curves why there are none."""
    axis.text(0.5, 0.5, text, ha="center")
    axis.set_axis_off()


def finish(axis: Axes, title: str, across: str, upwards: str) -> None:
    """Title and names of the axes."""
    axis.set_title(title)
    axis.set_xlabel(across)
    axis.set_ylabel(upwards)
    plain(axis)
