"""Write a model pack: weights, configuration and model card, which are all that using the model needs."""

import argparse
from pathlib import Path

from artefacts.files import read_json
from artefacts.provenance import provenance
from reid.checkpoints.pack import CONFIG, pack_of, write_pack
from reid.checkpoints.pack_format import Calibration
from reid.checkpoints.store import load_model
from reid.config.stages import PackConfig
from reid.report.model_card import model_card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: what `PackConfig` holds")
    parser.add_argument("--model", type=Path, required=True, help="trained weights of one seed, safetensors")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json: means over all seeds")
    parser.add_argument("--evaluation", type=Path, required=True, help="{matching}.json of that seed")
    parser.add_argument("--pack", type=Path, required=True, help="output folder")


def run(arguments: argparse.Namespace) -> None:
    settings = PackConfig.model_validate_json(arguments.config)
    trained = load_model(arguments.model)
    metrics = read_json(arguments.metrics, "summarise")
    evaluation = read_json(arguments.evaluation, "evaluate")
    inputs = {"model": arguments.model, "metrics": arguments.metrics, "evaluation": arguments.evaluation}
    calibration = evaluation["results"][settings.matching_name].get("calibration")
    pack = pack_of(
        trained,
        settings.model,
        settings.matching,
        name=f"{settings.dataset}/{settings.name}",
        seed=settings.seed,
        trained={
            "dataset": " + ".join(settings.combines) or settings.trained_on,
            "evaluated_on": settings.dataset,
            "recipe": settings.model.recipe,
            "matching": settings.matching_name,
            "seeds": metrics["seeds"],
            "measures": metrics["results"][settings.matching_name],
        },
        calibration=None if calibration is None else Calibration(dataset=settings.dataset, **calibration),
        provenance=provenance("reid.stages.pack", settings.model_dump(mode="json"), inputs),
    )
    write_pack(arguments.pack, trained.network, pack, model_card(pack, settings.terms))
    print(f"{arguments.pack / CONFIG}: reid.load({str(arguments.pack)!r}) loads it")
