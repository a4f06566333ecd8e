# What the rules share: the typed configuration, wildcards, the interpreter, params.config in general. No rules.
#
# When does a job run again? Four things decide, and each is something that can change a result:
# - params.config, the slice of config.yaml that the stage reads, as JSON (slices.smk);
# - params.code, a digest of the code that the stage executes. Snakemake's own code trigger sees only the shell text,
#   which names no module; the digest is blind to comments and docstrings;
# - the list of input files (inputs.smk);
# - the content of input files. Snakemake compares a newer file with the checksum that it recorded when it was read, but
#   only for files below max-checksum-file-size: the profiles lift that limit, so that touching, copying or restoring
#   every file reruns nothing. Leaving the dates out altogether would lose changes: where a run stops between two
#   stages, only its date says that the first one's output is newer than what the second has read.
# Images under data/ are no inputs (30,000 files would slow every dry run): the names and sizes of a dataset's
# images are a param of the manifest. After an edit that keeps a size: snakemake --forcerun manifest.
import json
import re
from pathlib import Path
from shlex import quote

from artefacts import folders
from artefacts.errors import UserError
from artefacts.files import sha256_of
from artefacts.provenance import code_digest
from parsing.config import Checkpoint, PartLabels
from reid.config.root import ImageFolder, Model, ModelInUse, datasets_of, load

SO_FAR = ".so_far"  # behind a table's name: of what was run, without running anything

try:
    CONFIG = load(config)
except UserError as error:
    sys.exit(f"error: {error}")


def names(entries):
    """Regular expression of exactly these names; without any, of nothing (Snakemake takes an empty one for none)."""
    return "|".join(map(re.escape, entries)) or "(?!)"


def datasets_labelled_by(*kinds):
    """Regular expression of the datasets whose labels come from PifPaf ("pifpaf") or from files of these kinds."""
    kind = lambda dataset: dataset.labels_from.kind if dataset.labels_from else "pifpaf"
    return names(name for name, dataset in CONFIG.datasets.items() if kind(dataset) in kinds)


wildcard_constraints:
    dataset=names(CONFIG.datasets),
    model=names(CONFIG.models),
    matching=names(CONFIG.matchings),
    pifpaf=names(name for name, network in CONFIG.pifpaf.items() if network.training),
    scheme=names(CONFIG.schemes),
    table=f"({names(CONFIG.tables)})({re.escape(SO_FAR)})?",
    seed=r"\d+",
    shard=r"\d+-of-\d+",


def slice_of(**content):
    """Part of the configuration as JSON: what a stage is told, and what makes it run again.

    Keys keep the order of their types and of config.yaml, since a scheme's parts are numbered in it.
    """
    plain = {
        name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        for name, value in content.items()
    }
    return json.dumps(plain)


def optional(flag, name):
    """Params function: `flag` and the input of this name, if the job has it."""
    return lambda wildcards, input: f"{flag} {quote(input[name])}" if input[name] else ""


def at_hand(path):
    """Whether a file or folder exists, or a rule makes it."""
    return Path(path).exists() or Path(path).parts[0] == "results"


def present(path, advice):
    """`path`, if it is at hand; else the end of the run with one line that says how to get it."""
    if not at_hand(path):
        sys.exit(f"error: {path} is missing: {advice}")
    return path


def listing_digest(folder):
    """Digest of the names and sizes of all files below `folder`, or the end of the run with one line that says why."""
    try:
        return folders.listing_digest(Path(folder))
    except UserError as error:
        sys.exit(f"error: {error}")
