"""Part labels of a dataset under one scheme, from its maps (Section 3.1.2)."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from artefacts.progress import track
from artefacts.provenance import provenance
from parsing.labels.label_maps import MaskMaker
from parsing.labels.overrides import Targets
from parsing.labels.target import passers_by, silhouette_of
from parsing.schemes import UNKNOWN, part_scheme
from parsing.stage_config import LabelsConfig
from parsing.store import FieldFile, write_labels

NAMED = 5  # images that an error names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="scheme, scheme_name, labels, JSON")
    parser.add_argument("--fields", type=Path, required=True, help="HDF5 of all maps")
    parser.add_argument("--overrides", type=Path, help="CSV of targets that a person named: key, x, y")
    parser.add_argument("--labels", type=Path, required=True, help="output HDF5")


def run(arguments: argparse.Namespace) -> None:
    config = LabelsConfig.model_validate_json(arguments.config)
    fields = FieldFile(arguments.fields)
    if config.labels.unreadable == "fail":
        must_be_readable(fields)
    scheme = part_scheme(config.scheme)
    how = config.labels
    maker = MaskMaker(scheme, fields.input_size, fields.stride, fields.grid, how.threshold, how.kind, how.interpolation)
    targets = Targets(fields, how.target, arguments.overrides)
    rows = _rows(fields, maker, targets)
    inputs = {"fields": arguments.fields} | ({"overrides": arguments.overrides} if arguments.overrides else {})
    record = provenance("parsing.stages.labels", config.model_dump(mode="json"), inputs)
    record["maps"] = {name: getattr(fields, name) for name in ("checkpoint_sha256", "input_size", "stride")}
    names, mirrored = list(scheme.part_names), list(scheme.mirrored)
    rows = track(rows, f"labelling parts of scheme {config.scheme_name}", "image", len(fields))
    write_labels(arguments.labels, maker.grid, names, mirrored, len(fields), rows, record)


def must_be_readable(fields: FieldFile) -> None:
    """Raises UserError, which names the first NAMED images, if some could not be read or have no usable labels."""
    bad = [key for key, status in zip(fields.keys, fields.statuses, strict=True) if status == "unreadable"]
    if bad:
        named = "; ".join(f"{key} ({fields.problem(key)})" for key in bad[:NAMED])
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise UserError(
            f"{fields.path}: {len(bad)} of {len(fields)} images cannot be read: {named}{more}; fix them, or set "
            "labels.unreadable to leave_out"
        )


def _rows(fields: FieldFile, maker: MaskMaker, targets: Targets) -> Iterator[dict]:
    for key in fields.keys:
        skeletons, (person, ambiguity) = fields.skeletons(key), targets.of(key)
        target = None if person is None else skeletons[person]
        silhouette = silhouette_of(target, fields.silhouettes(key))
        confidences = maker.confidences(fields.confidences(key), target, passers_by(skeletons, person), silhouette)
        nothing = fields.problem(key) or targets.dismissed(key)
        labels = np.full(maker.grid, UNKNOWN, np.uint8) if nothing else maker.labels(confidences)
        found = {"status": _status(fields.status(key), labels), "person": person, "ambiguity": ambiguity}
        yield {"key": key, "labels": labels, "confidences": confidences} | found


def _status(found: str, labels: np.ndarray) -> str:
    """Status of an image's labels: `nobody` if no cell shows a part, whatever the decoder made of the maps."""
    if found in ("unreadable", "too_small"):
        return found
    if (labels == UNKNOWN).all():
        return "nobody"
    return "ok" if found == "nobody" else found
