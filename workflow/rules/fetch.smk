# Contract: an address (downloads of the configuration) -> a file of weights that is missing. Never a dataset.
# The rule is for files that are not there alone. One that is there, by whichever way, is the user's: no rule makes it,
# so that nothing ever fetches it again, overwrites or deletes it.
from reid.config.stages import FetchConfig
from reid.config.user_files import files_to_fetch


localrules:  # the nodes of a cluster may have no network
    fetch,


rule fetch:
    output:
        "{download}",
    log:
        "logs/fetch/{download}.log",
    wildcard_constraints:
        download=names(files_to_fetch(CONFIG)),
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(FetchConfig.of),
    message:
        "Downloading {wildcards.download}"
    shell:
        "TQDM_MININTERVAL=5 python -m reid.stages fetch --config {params.config:q} --file {output:q} 2>&1 | tee {log:q}"
