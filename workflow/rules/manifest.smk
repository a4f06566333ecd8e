# Contract: a dataset's folder, which is only read -> the list of its images, and what a search in it can find.
#   datasets.*.root, or results/{dataset}/source/index.csv where the workflow draws the dataset
#   results/{dataset}/manifest.csv    key, split, identity, camera, width, height, sha256, names; one row an image
#   results/{dataset}/folder.json     what else its folder holds, and what names of splits were taken for
#   results/{dataset}/accepted.txt    there if nothing is wrong with the dataset but what datasets.*.allow accepts
#   results/{dataset}/protocol.md     what a search can find, what is wrong and what to change, in plain words
#   results/{dataset}/protocol.json   the same, to be read by programs
#   results/{dataset}/queries.csv     how many right answers each query can reach
# Labels, trainings and embeddings wait for accepted.txt. A manifest is checked once: neither another `allow` nor other words in
# the report may make labels and trainings run again, so that rule check has no params that Snakemake compares, and
# nothing waits for rule protocol. (Nor would `ancient` do: Snakemake 9.27 then overlooks what else has changed.)
from reid.config.stages import ManifestConfig, ProtocolConfig
from reid.config.user_files import image_folder, image_table


rule manifest:
    input:
        index=rendered("index.csv"),
        folder=given(image_folder),
        table=given(image_table),
    output:
        manifest="results/{dataset}/manifest.csv",
        folder="results/{dataset}/folder.json",
    log:
        "logs/{dataset}/manifest.log",
    benchmark:
        "benchmarks/results/{dataset}/manifest.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 4
    params:
        config=told(ManifestConfig.of),
        code=code_digest("reid.stages.manifest"),
        images=listing_of(image_folder),
        index=optional("--index", "index"),
    message:
        "Listing the images of {wildcards.dataset}"
    shell:
        "python -m reid.stages manifest --config {params.config:q} {params.index} --manifest {output.manifest:q}"
        " --folder {output.folder:q} --threads {threads} 2>&1 | tee {log:q}"


rule check:
    input:
        "results/{dataset}/manifest.csv",
    output:
        "results/{dataset}/accepted.txt",
    log:
        text="logs/{dataset}/check.log",
        report="logs/{dataset}/protocol.md",
    benchmark:
        "benchmarks/results/{dataset}/check.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=uncompared(told(ProtocolConfig.of)),
    message:
        "Checking the protocol of {wildcards.dataset}"
    shell:
        "python -m reid.stages check --config {params.config:q} --manifest {input:q} --report {log.report:q}"
        " --accepted {output:q} 2>&1 | tee {log.text:q}"


rule protocol:
    input:
        manifest="results/{dataset}/manifest.csv",
        folder="results/{dataset}/folder.json",
    output:
        report=report("results/{dataset}/protocol.md", caption="../report/protocol.rst", category="Protocol"),
        findings="results/{dataset}/protocol.json",
        queries="results/{dataset}/queries.csv",
    log:
        "logs/{dataset}/protocol.log",
    benchmark:
        "benchmarks/results/{dataset}/protocol.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(ProtocolConfig.of),
        code=code_digest("reid.stages.protocol"),
    message:
        "Saying what a search in {wildcards.dataset} can find"
    shell:
        "python -m reid.stages protocol --config {params.config:q} --manifest {input.manifest:q}"
        " --folder {input.folder:q}"
        " --report {output.report:q} --findings {output.findings:q} --queries {output.queries:q} 2>&1 | tee {log:q}"
