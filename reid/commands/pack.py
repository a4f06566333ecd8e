"""Write a finished run's model as a pack, as rule pack does, without Snakemake."""

import argparse
from pathlib import Path

from reid.commands.finished_run import add_configuration, configuration, require_file
from reid.config.model_names import entry_of
from reid.config.stages import PackConfig
from reid.stages import pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="entry of datasets that the model was evaluated on")
    parser.add_argument("model", metavar="MODEL", help="entry of models, or ENTRY@DATASET that it is trained on")
    parser.add_argument("--output", type=Path, help="output folder; RESULTS/DATASET/MODEL/pack, unless given")
    add_configuration(parser)


def run(arguments: argparse.Namespace) -> None:
    told = PackConfig.of(configuration(arguments), arguments.dataset, arguments.model)
    seed = f"seed{told.seed}"
    trained = arguments.results / told.trained_on / entry_of(told.name)
    evaluated = arguments.results / told.dataset / told.name
    files = argparse.Namespace(
        config=told.model_dump_json(),
        model=require_file(trained / seed / "model.safetensors"),
        metrics=require_file(evaluated / "metrics.json"),
        evaluation=require_file(evaluated / seed / f"{told.matching_name}.json"),
        pack=arguments.output or evaluated / "pack",
    )
    pack.run(files)
