# What the rules share: the typed configuration, wildcards, the interpreter, how a stage is told and what it waits for.
#
# When does a job run again? Four things decide, and each is something that can change a result:
# - params.config, what the stage is told of the configuration, as JSON (reid.config.stages, parsing.stage_config);
# - params.code, a digest of the code that the stage executes. Snakemake's own code trigger sees only the shell text,
#   which names no module; the digest is blind to comments and docstrings;
# - the list of input files;
# - the content of input files. Snakemake compares a newer file with the checksum that it recorded when it was read, but
#   only for files below max-checksum-file-size: the profiles lift that limit, so that touching, copying or restoring
#   every file reruns nothing. Leaving the dates out altogether would lose changes: where a run stops between two
#   stages, only its date says that the first one's output is newer than what the second has read.
# Images under data/ are no inputs (30,000 files would slow every dry run): the names and sizes of a dataset's
# images are a param of the manifest. After an edit that keeps a size: snakemake --forcerun manifest.
import re
import sys
from inspect import signature
from pathlib import Path
from shlex import quote

from artefacts import folders
from artefacts.errors import UserError
from artefacts.provenance import code_digest
from reid.config.model_names import AT, entry_of
from reid.config.root import load
from reid.report.targets import SO_FAR

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
    return names(name for name, dataset in CONFIG.with_images.items() if kind(dataset) in kinds)


wildcard_constraints:
    dataset=names(CONFIG.with_images),
    model=f"({names(CONFIG.models)})({AT}({names(CONFIG.trainable)}))?",
    matching=names(CONFIG.matchings),
    pifpaf=names(name for name, network in CONFIG.pifpaf.items() if network.training),
    scheme=names(CONFIG.schemes),
    table=f"({names(CONFIG.tables)})({re.escape(SO_FAR)})?",
    seed=r"\d+",
    shard=r"\d+-of-\d+",


def for_job(function):
    """`function(config, dataset, model, ...)` as a function of a job's wildcards: its parameters are their names."""
    wanted = list(signature(function).parameters)[1:]
    return lambda wildcards: function(CONFIG, **{name: wildcards[name] for name in wanted})


def told(stage):
    """Params function: what a stage is told, as JSON, where `stage` builds it (reid.config.stages, parsing.stage_config)."""
    of_job = for_job(stage)
    return lambda wildcards: of_job(wildcards).model_dump_json()


def uncompared(params):
    """The same params function, but a change of its value reruns nothing: Snakemake leaves out what may depend on `input`."""
    return lambda wildcards, input: params(wildcards)


def given(file_of):
    """Input function: the user's file that `file_of` names (reid.config.user_files); nothing where there is none.

    A folder is no input, but must be there. What is missing, or a file in place of a folder, ends the run with one line.
    """
    of_job = for_job(file_of)

    def path(wildcards):
        file = of_job(wildcards)
        if file and file.problem:
            sys.exit(f"error: {file.problem}")
        return file.path if file and not file.is_folder else []

    return path


def listing_of(folder_of):
    """Params function: a digest of the user's folder, so that added, removed and exchanged files are noticed."""
    of_job = for_job(folder_of)

    def digest(wildcards):
        folder = of_job(wildcards)
        return listing_digest(folder.path) if folder and folder.is_folder else "no folder"

    return digest


def rendered(file):
    """Input function: a file of a dataset that the workflow renders; nothing for one of the user's."""
    return lambda wildcards: (
        f"results/{wildcards.dataset}/source/{file}" if CONFIG.datasets[wildcards.dataset].synthetic else []
    )


def labels_of(wildcards):
    """A dataset's labels in the part scheme that the model knows."""
    return f"results/{wildcards.dataset}/parsing/{CONFIG.scheme_of(wildcards.model, wildcards.dataset)}.h5"


def trained_model(wildcards):
    """The folder of a model below that of the dataset that it is trained on."""
    return f"results/{CONFIG.trained_on(wildcards.model, wildcards.dataset)}/{entry_of(wildcards.model)}"


def of_seeds(pattern, count=None):
    """Input function: the file `pattern` of each seed of the model, or of the first `count` of them."""
    return lambda wildcards: expand(
        pattern, **dict(wildcards.items()), seed=CONFIG.seeds_of(wildcards.model, wildcards.dataset)[:count]
    )


def of_members(pattern, wanted=lambda model: True):
    """Input function: the file `pattern` of each dataset that is trained on, for models that are `wanted`."""
    return lambda wildcards: expand(
        pattern if wanted(CONFIG.model(wildcards.model)) else [],
        member=CONFIG.members(wildcards.dataset),
        scheme=CONFIG.scheme_of(wildcards.model, wildcards.dataset),
    )


def optional(flag, name):
    """Params function: `flag` and the input of this name, a file or several, if the job has it."""
    paths = lambda files: [files] if isinstance(files, str) else files
    return lambda wildcards, input: " ".join([flag, *map(quote, paths(input[name]))]) if input[name] else ""


def listing_digest(folder):
    """Digest of the names and sizes of all files below `folder`, or the end of the run with one line that says why."""
    try:
        return folders.listing_digest(Path(folder))
    except UserError as error:
        sys.exit(f"error: {error}")


def processes_of(wildcards):
    """Processes of a training, each with a GPU."""
    return CONFIG.model(wildcards.model).training.processes


def cores_of_gpus(gpus_of=lambda wildcards: 1):
    """Threads function of a job on GPUs: the cores that fall to its own while jobs run on all of them, 16 each at most.

    As many processes load its images: 16 load faster than a GPU trains. On a cluster the profile says how many.
    """

    def threads(wildcards):
        cores, gpus = (getattr(workflow.global_resources.get(name), "value", None) for name in ("_cores", "gpu"))
        return gpus_of(wildcards) * max(1, min(16, (cores or 8) // (gpus or 1)))

    return threads
