# Contract: a dataset's folder, which is only read -> the list of its images.
#   datasets.*.root, or results/{dataset}/source/index.csv where the workflow draws the dataset
#   results/{dataset}/manifest.csv   key, split, identity, camera, width, height, sha256; one row an image


rule manifest:
    input:
        index=drawn_index,
    output:
        "results/{dataset}/manifest.csv",
    log:
        "logs/{dataset}/manifest.log",
    benchmark:
        "benchmarks/results/{dataset}/manifest.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 4
    params:
        config=manifest_slice,
        code=code_digest("reid.stages.manifest"),
        images=images_found,
        index=optional("--index", "index"),
    message:
        "Listing the images of {wildcards.dataset}"
    shell:
        "python -m reid manifest --config {params.config:q} {params.index} --manifest {output:q}"
        " --threads {threads} 2>&1 | tee {log:q}"
