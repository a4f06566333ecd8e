"""What a table needs: which of its cells can be run with the user's files at hand, and what is behind them."""

from pathlib import Path

import pytest

from artefacts.config import overlaid
from artefacts.errors import UserError
from reid.config.model_names import entry_of
from reid.config.root import Config
from reid.config.user_files import behind_images, behind_labels
from reid.report import targets
from reid.report.targets import TableCell
from tests.contributing.conftest import configured

BACKBONE, PIFPAF, MASKS = "data/backbones/own.pth", "data/pifpaf/shufflenetv2k16.pkl", "data/maskrcnn/m.pth"
RELEASED = TableCell("occluded_reid_released", "learned")  # trained on market1501_eight_released
DATA = ["data/market1501", "data/occluded_reid"]
LABELS = [f"{folder}/masks/pifpaf_maskrcnn_filtering" for folder in DATA]
MODELS = {
    "learned": {
        "extends": "resnet50",
        "backbone": {"weights": BACKBONE},
        "extra_matchings": ["parts"],
    },
    "attends": {"extends": "learned", "head": {"attention": "labels"}, "loss": {"attention_weight": 0.0}},
    "striped": {"extends": "pcb", "backbone": {"weights": None}, "matching": "concatenated", "extra_matchings": []},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Where Snakemake runs; nothing of the user's is at hand."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(*cells: tuple[str, str], **entries: dict) -> Config:
    """The project's configuration with MODELS, nothing fetched, and a table `t` of these cells."""
    matching = {"learned": "default", "attends": "parts", "striped": "concatenated"}
    rows = [
        {"label": model, "dataset": dataset, "model": model, "matching": matching[entry_of(model)]}
        for dataset, model in cells
    ]
    given = {"fetch": False, "models": MODELS, "tables": {"t": {"title": "T", "rows": rows}}}
    return configured(**overlaid(given, entries))


def put(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir() if not Path(path).suffix else Path(path).write_text("content")


@pytest.mark.parametrize(
    ("cell", "needed"),
    [
        (("market1501", "learned"), [DATA[0], PIFPAF, BACKBONE]),
        (("market1501", "striped"), [DATA[0]]),
        (("synthetic", "striped"), []),
        (("occluded_reid", "learned"), [*DATA, PIFPAF, BACKBONE]),
        (("occluded_reid_released", "striped"), DATA),
        (("occluded_reid_released", "learned"), [*DATA, LABELS[0], BACKBONE]),
        (("occluded_reid_released", "attends"), [*DATA, *LABELS, BACKBONE]),
    ],
)
def test_a_cell_misses_what_its_images_labels_and_backbone_are_made_of(cell, needed):
    config = config_of(cell)
    assert targets.missing_for(config, TableCell(*cell)) == targets.missing(config, "t") == needed
    put(*needed)
    assert targets.missing(config, "t") == []
    assert targets.runnable(config, "t") == [cell]


def test_weights_that_are_fetched_are_not_missing():
    config = config_of(("market1501", "learned"), fetch=True)
    assert targets.missing(config, "t") == [DATA[0], BACKBONE]


def test_a_table_of_images_of_targets_and_the_mask_network_are_needed_too():
    own = {"reader": "table", "root": "data/own", "options": {"file": "data/own.csv"}, "scheme": "five"}
    own |= {"pifpaf": "small", "target_overrides": "data/targets.csv"}
    masks = {"weights": MASKS, "sha256": "0" * 8, "short_side": 800}
    config = config_of(("own", "learned"), ("own", "striped"), datasets={"own": own}, labels={"silhouettes": masks})
    put(config.pifpaf["small"].weights, "data/own")
    assert targets.missing_for(config, TableCell("own", "striped")) == ["data/own.csv"]
    missing = ["data/own.csv", MASKS, "data/targets.csv", BACKBONE]
    missing = ["data/own.csv", MASKS, "data/targets.csv", BACKBONE]
    assert targets.missing_for(config, TableCell("own", "learned")) == missing


def test_what_was_run_so_far_runs_nothing():
    config = config_of(("synthetic", "striped"), RELEASED)
    put("results/occluded_reid_released/learned/metrics.json")
    assert targets.metrics_to_make(config, "t") == ["results/synthetic/striped/metrics.json"]
    assert targets.metrics_found(config, "t") == ["results/occluded_reid_released/learned/metrics.json"]
    assert targets.metrics_to_make(config, "t.so_far") == targets.missing(config, "t.so_far") == []
    put("results/synthetic/striped/metrics.json")
    assert len(targets.metrics_found(config, "t.so_far")) == 2
    assert targets.tabulated(config, "t.so_far").table == config.tables["t"]


def test_the_files_behind_a_cell_are_of_the_dataset_that_trains_and_of_the_one_that_is_tested():
    config = config_of(RELEASED, datasets={RELEASED.dataset: {"seeds": [1, 2]}})
    put(*DATA, LABELS[0], BACKBONE)
    trained, tested = "results/market1501_eight_released", f"results/{RELEASED.dataset}"
    files = [f"{folder}/manifest.csv" for folder in (trained, tested)]
    files += [f"{trained}/parsing/{name}" for name in ("fields.h5", "eight.h5", "eight.qc.json")]
    files += [f"{trained}/learned/training.svg"]
    files += [f"{trained}/learned/seed{seed}/model.safetensors" for seed in (1, 2)]
    files += [f"{tested}/learned/seed{seed}/embeddings.h5" for seed in (1, 2)]
    files += [f"{tested}/learned/seed{seed}/{name}.json" for seed in (1, 2) for name in ("default", "parts")]
    files += [f"{tested}/learned/{name}" for name in ("metrics.json", "ranking.png")]
    assert targets.files_behind(config, "t") == files
    put(LABELS[1])  # so that attention can be drawn besides them
    assert targets.files_behind(config, "t") == [*files, f"{tested}/learned/attention.png"]
    assert targets.weights_behind(config, "t") == [BACKBONE]


def test_labels_that_are_the_attention_are_behind_a_cell_on_both_datasets():
    config = config_of(("occluded_reid", "attends"))
    put(*DATA, PIFPAF, BACKBONE)
    labels = [path for path in targets.files_behind(config, "t") if path.endswith("eight.h5")]
    assert labels == ["results/market1501_eight/parsing/eight.h5", "results/occluded_reid/parsing/eight.h5"]
    assert targets.weights_behind(config, "t") == [PIFPAF, BACKBONE]


def test_rows_are_compared_by_the_seeds_of_the_table():
    config = config_of(("synthetic", "striped"), RELEASED, datasets={"synthetic": {"seeds": [1, 2, 3]}})
    config = config.model_copy(update={"tables": {"t": config.tables["t"].model_copy(update={"seeds": [3, 1]})}})
    (row,) = targets.compared(config, "t").rows
    assert (row.dataset, row.model, row.seeds, row.sees_parts) == ("synthetic", "striped", [1, 3], False)
    folder = "results/synthetic/striped"
    assert targets.metrics_of_rows(config, "t") == [f"{folder}/seed{seed}/concatenated.json" for seed in (1, 3)]
    assert targets.accounted(config, "t").models == {"synthetic": ["striped"]}


def test_a_model_of_a_combination_depends_on_all_that_it_combines():
    both = {"combines": ["market1501", "market1501_eight"], "seeds": [1, 2]}
    entries = {"both": both, "market1501": {"scheme": "eight"}}
    config = config_of(("occluded_reid", "learned@both"), datasets=entries)
    assert targets.missing(config, "t") == [*DATA, PIFPAF, BACKBONE]
    put(*DATA, PIFPAF, BACKBONE)
    files = targets.files_behind(config, "t")
    for name in both["combines"]:
        assert {f"results/{name}/manifest.csv", f"results/{name}/parsing/eight.h5"} <= set(files)
    assert [file for file in files if "/both/" in file] == [
        "results/both/learned/training.svg",
        *(f"results/both/learned/seed{seed}/model.safetensors" for seed in (1, 2)),
    ]
    assert "results/occluded_reid/learned@both/seed2/embeddings.h5" in files
    assert targets.compared(config, "t").rows[0].seeds == [1, 2]
    models = targets.accounted(config, "t").models
    assert models == {"occluded_reid": ["learned@both"], "market1501": [], "market1501_eight": [], "both": ["learned"]}


def test_every_shipped_dataset_is_run_once_its_files_are_there(config):
    rows = [{"label": "x", "dataset": name, "model": "resnet50", "matching": "default"} for name in config.datasets]
    config = configured(tables={"t": {"title": "T", "rows": rows}})
    images = [file.path for name in config.datasets for file in behind_images(config, name)]
    labels = [file.path for name in config.datasets for file in behind_labels(config, name)]
    assert set(targets.missing(config, "t")) <= {*images, *labels}
    put(*dict.fromkeys(path for path in (*images, *labels) if not Path(path).exists()))
    assert [cell.dataset for cell in targets.runnable(config, "t")] == list(config.datasets)


def test_a_cell_misses_the_groups_of_its_queries():
    groups = "data/groups.csv"
    config = config_of(("market1501", "striped"), datasets={"market1501": {"query_groups": groups}})
    put(DATA[0])
    assert targets.missing(config, "t") == [groups]
    put(groups)
    assert targets.missing(config, "t") == []


def test_a_row_shows_groups_of_datasets_that_have_them():
    row = {"label": "l", "dataset": "synthetic", "model": "striped", "matching": "concatenated", "group": ["whole"]}
    tables = {"t": {"title": "T", "rows": [row]}}
    with pytest.raises(UserError, match=r"tables.t.rows.0.group: datasets.synthetic has no groups; set its query_gr"):
        configured(models=MODELS, tables=tables)
    known = configured(models=MODELS, tables=tables, datasets={"synthetic": {"query_groups": "results/g.csv"}})
    assert targets.cells(known, "t") == [TableCell("synthetic", "striped")]
