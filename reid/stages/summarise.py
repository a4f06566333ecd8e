"""Mean and spread of a model's metrics over its seeds, for the default matching and the others asked for."""

import argparse
import statistics
from pathlib import Path

from artefacts.errors import UserError
from artefacts.files import read_json, write_json
from artefacts.provenance import provenance
from reid.config.stages import SummariseConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="JSON: what `SummariseConfig` holds")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="seed{seed}/{matching}.json files")
    parser.add_argument("--summary", type=Path, required=True, help="output JSON")


def run(arguments: argparse.Namespace) -> None:
    """Write metrics.json: `results` by matching (`each/head` for one embedding of a separate matching), `counts`.

    Where queries are in groups, also `groups`: by matching and group, what `results` has.
    """
    config = SummariseConfig.model_validate_json(arguments.config)
    files = {(path.parent.name, path.stem): path for path in arguments.metrics}
    results: dict[str, dict] = {}
    counts: dict[str, dict] = {}
    groups: dict[str, dict] = {}
    for matching in dict.fromkeys((config.matching, *config.extra_matchings)):
        by_seed = {seed: _read(files, seed, matching) for seed in config.seeds}
        for name in by_seed[config.seeds[0]]:
            row = name if name == matching else f"{matching}/{name}"
            results[row] = _over_seeds({seed: reports[name]["measures"] for seed, reports in by_seed.items()})
            if "by_group" in by_seed[config.seeds[0]][name]:
                groups[row] = _groups({seed: reports[name]["by_group"] for seed, reports in by_seed.items()})
            counts[row] = {str(seed): reports[name]["counts"] for seed, reports in by_seed.items()}
    inputs = {f"{seed}/{matching}": path for (seed, matching), path in sorted(files.items())}
    record = provenance("reid.stages.summarise", config.model_dump(), inputs)
    found = {"results": results, **({"groups": groups} if groups else {}), "counts": counts}
    write_json(arguments.summary, {**config.model_dump(), **found, "provenance": record})
    print(f"{config.dataset}/{config.model}: " + _shown(results[next(iter(results))]))


def _read(files: dict[tuple[str, str], Path], seed: int, matching: str) -> dict:
    path = files.get((f"seed{seed}", matching))
    if path is None:
        raise UserError(f"seed{seed}/{matching}.json is not among the metrics; run evaluate for it")
    content = read_json(path, "evaluate")
    if "results" not in content:
        raise UserError(f"{path}: has no results; run stage evaluate again")
    return content["results"]


def _over_seeds(measures: dict[int, dict[str, float]]) -> dict[str, dict]:
    """Per measure its mean, sample standard deviation (none of one seed), count, and value by seed."""
    summary = {}
    for name in next(iter(measures.values())):
        values = {str(seed): measured[name] for seed, measured in measures.items()}
        numbers = list(values.values())
        spread = statistics.stdev(numbers) if len(numbers) > 1 else None
        summary[name] = {"mean": statistics.fmean(numbers), "spread": spread, "count": len(numbers), "values": values}
    return summary


def _groups(reports: dict[int, dict[str, dict]]) -> dict[str, dict]:
    """Per group the same, of what each seed reports of it."""
    names = next(iter(reports.values()))
    return {name: _over_seeds({seed: one[name]["measures"] for seed, one in reports.items()}) for name in names}


def _shown(result: dict) -> str:
    return ", ".join(f"{name} {result[name]['mean']:.1%}" for name in ("mAP", "rank-1"))
