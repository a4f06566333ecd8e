# What the rules share: the typed configuration, its slices, code digests, and which file comes from where. No rules.
#
# When does a job run again? Four things decide, and each is something that can change a result:
# - params.config, the slice of config.yaml that the stage reads, as JSON;
# - params.code, a digest of the code that the stage executes. Snakemake's own code trigger sees only the shell text,
#   which names no module; the digest is blind to comments and docstrings;
# - the list of input files;
# - the content of input files. Snakemake compares a newer file with the checksum that it recorded when it was read, but
#   only for files below max-checksum-file-size: the default profile lifts that limit, so that touching, copying or
#   restoring every file reruns nothing. Dropping the mtime trigger instead would lose changes: a run stopped between
#   two stages would leave results that no later run ever renews.
# Images under data/ are inputs of no rule (30,000 files would slow every dry run): the names and sizes of a dataset's
# images stand in params.images of rule manifest. After an edit that keeps a size: snakemake --forcerun manifest.
import hashlib
import json
import os
import re
import sys
from pathlib import Path

PROJECT = Path(workflow.basedir).parent
sys.path.insert(0, str(PROJECT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
if str(Path(sys.executable).parent) not in os.environ["PATH"].split(os.pathsep):
    # stages run under the Python that runs Snakemake, whether its environment was activated or not
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from artefacts.errors import UserError
from artefacts.provenance import code_digest
from reid.config import load

# Bad input leaves by sys.exit, one line; Snakemake would wrap a WorkflowError in lines about its own insides.
try:
    CONFIG = load(config)
except UserError as error:
    sys.exit(f"error: {error}")


def names(entries):
    """Regular expression of exactly these names."""
    return "|".join(map(re.escape, entries))


wildcard_constraints:
    dataset=names(CONFIG.datasets),
    model=names(CONFIG.models),
    matching=names(CONFIG.matchings),
    pifpaf=names(CONFIG.pifpaf),
    scheme=names(CONFIG.schemes),
    table=names(CONFIG.tables),
    seed=r"\d+",
    shard=r"\d+-of-\d+",


def slice_of(**content):
    """Part of the configuration as JSON, keys sorted: what a stage is told, and what makes it run again."""
    return json.dumps({name: plain(value) for name, value in content.items()}, sort_keys=True)


def plain(value):
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def trained_on(dataset):
    """The dataset whose training half serves `dataset`: itself, unless it has none."""
    return CONFIG.datasets[dataset].trains_on or dataset


def scheme_of(dataset):
    """The part scheme that models for `dataset` know."""
    return CONFIG.datasets[trained_on(dataset)].scheme


def matchings_of(model):
    """Matchings reported in a model's metrics.json."""
    model = CONFIG.model(model)
    return list(dict.fromkeys([model.matching, *model.also]))


def present(path, advice):
    """`path`, if it exists or a rule makes it; else an error that says how to get it."""
    if not Path(path).exists() and Path(path).parts[0] != "results":
        sys.exit(f"error: {path} is missing: {advice}")
    return path


def listing_digest(folder):
    """Digest of the names and sizes of all files below `folder`."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    lines = sorted(f"{path.relative_to(folder)} {path.stat().st_size}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
