# The last file: whether the names in the requested files are names of the configuration. No rules.
# Snakemake tells a Snakefile its targets when it is too late; a word of the command line that looks like a file of a
# rule, but for a name, is one.
from snakemake.io import strip_wildcard_constraints

from artefacts.targets import misnamed
from reid.config.model_names import trained_on
from reid.config.user_files import not_fetched
from reid.report.targets import not_made

NAMES = {
    "dataset": CONFIG.datasets,
    "model": [*CONFIG.models, *(trained_on(model, name) for model in CONFIG.models for name in CONFIG.trainable)],
    "scheme": CONFIG.schemes,
    "matching": CONFIG.matchings,
    "table": [name + end for name in CONFIG.tables for end in ("", SO_FAR)],
    "backbone": CONFIG.backbones,
    "pifpaf": [name for name, network in CONFIG.pifpaf.items() if network.training],
}
PATTERNS = [strip_wildcard_constraints(file) for rule in workflow.rules for file in rule.products()]
if workflow.modifier.is_main_snakefile():  # not where another workflow includes this one
    for word in sys.argv[1:]:
        if reason := misnamed(word, PATTERNS, NAMES) or not_fetched(CONFIG, word) or not_made(CONFIG, word):
            sys.exit(f"error: {reason}")
