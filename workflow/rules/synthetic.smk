# Contract: config (datasets.*.synthetic) -> a dataset that the workflow draws itself.
#   results/{dataset}/source/            images in the Market-1501 layout
#   results/{dataset}/source/index.csv   key and SHA-256 of every image
#   results/{dataset}/source/queries.csv key and group of every query: occluded or whole (datasets.*.query_groups)
#   results/{dataset}/source/truth.h5    keypoints and part maps as drawn
from reid.config.stages import DrawConfig


rule draw:
    output:
        index="results/{dataset}/source/index.csv",
        groups="results/{dataset}/source/queries.csv",
        truth="results/{dataset}/source/truth.h5",
    log:
        "logs/{dataset}/draw.log",
    benchmark:
        "benchmarks/results/{dataset}/draw.tsv"
    wildcard_constraints:
        dataset=names(name for name, dataset in CONFIG.with_images.items() if dataset.synthetic),
    conda:
        "../../envs/reid.yaml"
    threads: 8
    params:
        config=told(DrawConfig.of),
        code=code_digest("reid.stages.draw"),
    message:
        "Drawing {wildcards.dataset}"
    shell:
        "python -m reid.stages draw --config {params.config:q} --index {output.index:q} --groups {output.groups:q}"
        " --truth {output.truth:q} --threads {threads} 2>&1 | tee {log:q}"
