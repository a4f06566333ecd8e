"""What a table needs: its cells, which of them can be run here, and the files behind them.

A cell is a dataset and a model, whose metrics are a number of the table. It is run if all that the user must provide
for it is at hand; the others show the metrics that are there, or "not run". A table's name with `.so_far` behind it
stands for the table of what was run, for which nothing is. Light: every dry run loads this module.
"""

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from reid.config.model_names import AT, entry_of
from reid.config.report import datasets_of
from reid.config.root import Config
from reid.config.table_stages import AccountConfig, CompareConfig, TabulateConfig
from reid.config.user_files import (
    UserFile,
    backbone_weights,
    behind_images,
    behind_labels,
    pifpaf_weights,
    query_groups,
)

SO_FAR = ".so_far"
OF_TRAININGS = ("model.safetensors", "history.csv", "training.svg")  # files that a combination has, too


class TableCell(NamedTuple):
    """What one number of a table is measured on."""

    dataset: str
    model: str


def cells(config: Config, table: str) -> list[TableCell]:
    """The cells of a table, each once."""
    rows = config.table(table.removesuffix(SO_FAR)).rows
    return _once(TableCell(dataset, row["model"]) for row in rows for dataset in datasets_of(row))


def runnable(config: Config, table: str) -> list[TableCell]:
    """The cells that are run for a table."""
    return [] if table.endswith(SO_FAR) else [cell for cell in cells(config, table) if not missing_for(config, cell)]


def missing(config: Config, table: str) -> list[str]:
    """The user's files for lack of which cells of a table are not run."""
    return (
        []
        if table.endswith(SO_FAR)
        else _once(one for cell in cells(config, table) for one in missing_for(config, cell))
    )


def missing_for(config: Config, cell: TableCell) -> list[str]:
    """The user's files that a cell needs and that are not at hand."""
    images = [file for name in _datasets(config, cell) for file in behind_images(config, name)]
    labels = [file for name in _labelled(config, cell) for file in behind_labels(config, name)]
    groups = [file for file in [query_groups(config, cell.dataset)] if file]
    return _once(file.path for file in (*images, *labels, *groups, *_backbone(config, cell)) if not file.at_hand)


def tabulated(config: Config, table: str) -> TabulateConfig:
    """What stage tabulate is told."""
    return TabulateConfig.of(config, table.removesuffix(SO_FAR), missing(config, table))


def compared(config: Config, table: str) -> CompareConfig:
    """What stage compare is told."""
    return CompareConfig.of(config, table, runnable(config, table))


def accounted(config: Config, table: str) -> AccountConfig:
    """What stage account is told."""
    return AccountConfig.of(config, table, runnable(config, table))


def metrics_to_make(config: Config, table: str) -> list[str]:
    """Metrics of the cells that are run."""
    return [_metrics(cell) for cell in runnable(config, table)]


def metrics_found(config: Config, table: str) -> list[str]:
    """Metrics of the other cells that are there: from an earlier run, or from elsewhere."""
    made = metrics_to_make(config, table)
    return [path for cell in cells(config, table) if (path := _metrics(cell)) not in made and Path(path).exists()]


def metrics_of_seeds(config: Config, dataset: str, model: str) -> list[str]:
    """Metrics of a model on a dataset, of every seed under every matching."""
    entry = config.model(model)
    matchings = dict.fromkeys((entry.matching, *entry.extra_matchings))
    return [
        f"{folder}/{matching}.json"
        for folder in _folders(f"results/{dataset}/{model}", config, dataset, model)
        for matching in matchings
    ]


def metrics_of_rows(config: Config, table: str) -> list[str]:
    """Metrics of the cells that are run, of each row's seeds under its matching."""
    return _once(
        f"results/{row.dataset}/{row.model}/seed{seed}/{row.matching.partition('/')[0]}.json"
        for row in compared(config, table).rows
        for seed in row.seeds
    )


def files_behind(config: Config, table: str) -> list[str]:
    """All that is made for the cells that are run, from manifests to pictures."""
    run = runnable(config, table)
    return _once(file for kind in (_dataset_files, _model_files) for cell in run for file in kind(config, cell))


def weights_behind(config: Config, table: str) -> list[str]:
    """The files of weights that labels and models of the cells that are run start from."""
    run = runnable(config, table)
    networks = [pifpaf_weights(config, name) for cell in run for name in _labelled(config, cell)]
    backbones = [file for cell in run for file in _backbone(config, cell)]
    return _once(file.path for file in (*networks, *backbones) if file)


def not_made(config: Config, path: str) -> str | None:
    """Why no rule makes a file of a combination but its trainings, which is asked for; None for all other files."""
    results, dataset, *_ = (*PurePath(path).parts, "", "")
    if results != "results" or dataset not in config.datasets.keys() - config.with_images.keys():
        return None
    if PurePath(path).name in OF_TRAININGS:
        return None
    members = config.members(dataset)
    return (
        f"{path}: {dataset} combines {', '.join(members)} to train on, and has no images of its own; ask for "
        f"what a model of it finds elsewhere, as results/{members[0]}/MODEL{AT}{dataset}/metrics.json"
    )


def _datasets(config: Config, cell: TableCell) -> list[str]:
    """The datasets that a cell's model is trained on, and the one that it is tested on."""
    return _once((*_trained_on(config, cell), cell.dataset))


def _trained_on(config: Config, cell: TableCell) -> list[str]:
    return config.members(config.trained_on(cell.model, cell.dataset))


def _labelled(config: Config, cell: TableCell) -> list[str]:
    """Those of them whose labels the model reads: in training, and in testing where labels are its attention."""
    model = config.model(cell.model)
    if not model.needs_labels:
        return []
    return _datasets(config, cell) if model.attends_labels else _trained_on(config, cell)


def _backbone(config: Config, cell: TableCell) -> list[UserFile]:
    return [file for file in [backbone_weights(config, cell.model)] if file]


def _metrics(cell: TableCell) -> str:
    return f"results/{cell.dataset}/{cell.model}/metrics.json"


def _folders(place: str, config: Config, dataset: str, model: str) -> list[str]:
    """Folders below `place`, one for each seed of a model that searches `dataset`."""
    return [f"{place}/seed{seed}" for seed in config.seeds_of(model, dataset)]


def _dataset_files(config: Config, cell: TableCell) -> list[str]:
    """Lists of the images that a model learns from and is tested on, and the labels that it reads."""
    listed = [f"results/{name}/manifest.csv" for name in _datasets(config, cell)]
    scheme = config.scheme_of(cell.model, cell.dataset)
    for name in _labelled(config, cell):
        truth = ["source/truth.h5"] if config.datasets[name].synthetic else []
        labels = (f"parsing/{file}" for file in ("fields.h5", f"{scheme}.h5", f"{scheme}.qc.json"))
        listed += [f"results/{name}/{file}" for file in (*truth, *labels)]
    return listed


def _model_files(config: Config, cell: TableCell) -> list[str]:
    """A trained model with all that is measured of it on a dataset, and the pictures."""
    dataset, model = cell
    trained = f"results/{config.trained_on(model, dataset)}/{entry_of(model)}"
    tested = f"results/{dataset}/{model}"
    labelled = all(file.at_hand for file in behind_labels(config, dataset))
    attention = ["attention.png"] if config.model(model).sees_parts and labelled else []
    return [
        f"{trained}/training.svg",
        *(f"{folder}/model.safetensors" for folder in _folders(trained, config, dataset, model)),
        *(f"{folder}/embeddings.h5" for folder in _folders(tested, config, dataset, model)),
        *metrics_of_seeds(config, dataset, model),
        *(f"{tested}/{file}" for file in ("metrics.json", "ranking.png", *attention)),
    ]


def _once(items: Iterable) -> list:
    """The items in their order, each once."""
    return list(dict.fromkeys(items))
