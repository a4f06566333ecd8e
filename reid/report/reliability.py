"""Whether probabilities hold: predicted against observed, on identities that they were not fitted on."""

from matplotlib.figure import Figure

from reid.report.comparison import LARGE, ComparedRow, colours_of, datasets_of, finish, say
from reid.report.style import panels, styled


@styled
def reliability_curves(rows: list[ComparedRow], title: str) -> Figure:
    """Observed over predicted probability of the same person: one panel a dataset, one line a row and seed.

    Rows whose evaluation has none (reranked, of too few identities, or by an earlier version) are left out.
    """
    colours, measured = colours_of(rows), [row for row in rows if _curves(row)]
    datasets = datasets_of(measured)
    figure, axes = panels(max(len(datasets), 1), across=2, size=LARGE)
    for axis, dataset in zip(axes, datasets, strict=False):
        axis.plot([0, 1], [0, 1], color="#999999", linestyle="--")
        for row in (row for row in measured if row.dataset == dataset):
            for number, curve in enumerate(_curves(row)):
                across, upwards = ([point[name] for point in curve] for name in ("predicted", "observed"))
                label = None if number else row.label
                axis.plot(across, upwards, marker="o", color=colours[row.label], label=label)
        finish(axis, dataset, "predicted probability of the same person", "observed on held-out identities")
        axis.legend(loc="upper left")
    if not datasets:
        say(axes[0], "no row at hand has a reliability curve")
    figure.suptitle(title)
    return figure


def _curves(row: ComparedRow) -> list[list[dict]]:
    return [report["reliability"]["curve"] for report in row.reports if report.get("reliability")]
