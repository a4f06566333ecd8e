"""The user's files that a workflow starts from: what a rule stops for where it is missing, and a table does without.

One function a kind of file, called by the rule that reads it. `behind_images` and `behind_labels` are all that a
dataset needs.
"""

from collections.abc import Callable
from os.path import exists, isdir, lexists
from pathlib import Path
from typing import NamedTuple

from reid.config.root import Config


class UserFile(NamedTuple):
    """A file or folder that the user puts there, and what to do where it is missing."""

    path: str
    advice: str
    is_folder: bool = False
    is_fetched: bool = False  # by rule fetch, where it is missing

    @property
    def at_hand(self) -> bool:
        """Whether it exists, or a rule makes it."""
        return exists(self.path) or self.is_fetched or Path(self.path).parts[0] == "results"

    @property
    def problem(self) -> str | None:
        """What is wrong with it and what to do, on one line; None if it is at hand and what it should be."""
        if not self.at_hand:
            return f"{self.path} is missing: {self.advice}"
        if exists(self.path) and isdir(self.path) != self.is_folder:
            kinds = ("file", "folder") if self.is_folder else ("folder", "file")
            return f"{self.path} is a {kinds[0]} where a {kinds[1]} should be: {self.advice}"
        return None


def image_folder(config: Config, dataset: str) -> UserFile | None:
    """The folder of the images, of a dataset that the workflow does not render."""
    if config.datasets[dataset].synthetic:
        return None
    advice = f"put the dataset there, or change datasets.{dataset}.root (docs/datasets.md says where it comes from)"
    return UserFile(config.datasets[dataset].root, advice, is_folder=True)


def image_table(config: Config, dataset: str) -> UserFile | None:
    """The table that lists the images, of a dataset that has one."""
    file = config.datasets[dataset].options.file
    return UserFile(file, f"put the table there, or change datasets.{dataset}.options.file") if file else None


def query_groups(config: Config, dataset: str) -> UserFile | None:
    """The table of groups of queries that are measured apart, of a dataset that has one."""
    file = config.datasets[dataset].query_groups
    return UserFile(file, f"put the table there, or change datasets.{dataset}.query_groups") if file else None


def pifpaf_weights(config: Config, dataset: str) -> UserFile | None:
    """The weights of the PifPaf network that labels a dataset: shipped, the user's, or made by rule train_pifpaf."""
    name = config.datasets[dataset].pifpaf
    if name is None:
        return None
    return _weights(config, config.pifpaf[name].weights, f"pifpaf.{name}.weights")


def mask_weights(config: Config, dataset: str) -> UserFile | None:
    """The weights of Mask R-CNN, where PifPaf's labels are made with silhouettes."""
    network = config.labels.silhouettes
    if network is None or config.datasets[dataset].pifpaf is None:
        return None
    return _weights(config, network.weights, "labels.silhouettes")


def foreign_labels(config: Config, dataset: str) -> UserFile | None:
    """The folder or file of labels that another program made."""
    source = config.datasets[dataset].labels_from
    advice = f"put the labels there, or change datasets.{dataset}.labels_from.path"
    return UserFile(source.path, advice, is_folder=bool(source.file)) if source else None


def image_numbers(config: Config, dataset: str) -> UserFile | None:
    """The COCO file that tells which image has which number, where labels of another program name images so."""
    source = config.datasets[dataset].labels_from
    if source is None or source.kind != "coco_json" or not source.images:
        return None
    return UserFile(source.images, f"change datasets.{dataset}.labels_from.images")


def target_overrides(config: Config, dataset: str) -> UserFile | None:
    """The table of targets that a person named, of a dataset that has one."""
    file = config.datasets[dataset].target_overrides
    return UserFile(file, f"put the table there, or change datasets.{dataset}.target_overrides") if file else None


def backbone_weights(config: Config, model: str) -> UserFile | None:
    """The file of weights that a model's backbone starts from, if it is one."""
    weights = config.model(model).backbone.weights
    if weights in (None, "imagenet"):
        return None
    return _weights(config, weights, f"models.{model}.backbone.weights")


def files_to_fetch(config: Config) -> list[str]:
    """Paths of the weights that rule fetch makes: those that are not there, and are not forbidden."""
    return [path for path in config.downloads if config.fetch and not lexists(path)]


def not_fetched(config: Config, path: str) -> str | None:
    """Why rule fetch does not make a file of weights that is asked for; None for all other files."""
    if path not in config.downloads or path in files_to_fetch(config):
        return None
    if lexists(path):
        return f"{path} is there already: what is there is never downloaded again; ask for what needs it"
    return f"{path} is missing, and fetch is false: download {config.downloads[path]} and put it there"


def _weights(config: Config, path: str, key: str) -> UserFile:
    """A file of weights that `key` of the configuration names."""
    source = config.downloads.get(path)
    what = f"download {source} and put it there" if source else "put the weights there"
    return UserFile(path, f"{what}, or change {key}", is_fetched=path in files_to_fetch(config))


def behind_images(config: Config, dataset: str) -> list[UserFile]:
    """All that a dataset's manifest is made of."""
    return _those_of((image_folder, image_table), config, dataset)


def behind_labels(config: Config, dataset: str) -> list[UserFile]:
    """All that a dataset's labels are made of besides its images."""
    kinds = (pifpaf_weights, mask_weights, foreign_labels, image_numbers, target_overrides)
    return _those_of(kinds, config, dataset)


def _those_of(kinds: tuple[Callable[[Config, str], UserFile | None], ...], config: Config, name: str) -> list[UserFile]:
    return [file for kind in kinds if (file := kind(config, name))]
