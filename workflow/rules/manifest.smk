# Contract: a dataset's folder, which is only read -> the list of its images.
#   datasets.*.root, or results/{dataset}/source/index.csv where the workflow draws the dataset
#   results/{dataset}/manifest.csv   key, split, identity, camera, width, height, sha256; one row an image


def drawn_index(wildcards):
    """The list of drawn images; nothing for a dataset of the user's, whose folder must be there."""
    dataset = CONFIG.datasets[wildcards.dataset]
    if dataset.synthetic:
        return f"results/{wildcards.dataset}/source/index.csv"
    advice = f"put the dataset there, or point datasets.{wildcards.dataset}.root at it (datasets are not downloaded)"
    present(dataset.root, advice)
    return []


def images_found(wildcards):
    """Digest of the folder listing of a user's dataset, so that exchanged images are noticed."""
    dataset = CONFIG.datasets[wildcards.dataset]
    return "drawn" if dataset.synthetic else listing_digest(dataset.root)


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
    threads: 1
    params:
        config=lambda wildcards: slice_of(name=wildcards.dataset, dataset=CONFIG.datasets[wildcards.dataset]),
        code=code_digest("reid.stages.manifest"),
        images=images_found,
        index=lambda wildcards, input: f"--index {input.index}" if input.index else "",
    message:
        "Listing the images of {wildcards.dataset} (progress: {log})"
    shell:
        "python -m reid manifest --config {params.config:q} {params.index} --manifest {output:q} 2> {log:q}"
