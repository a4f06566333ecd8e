# Contract: embeddings of a gallery -> an index of it, for galleries that do not fit (docs/use.md). Needs the extra faiss.
#   results/{dataset}/{model}/seed{seed}/embeddings.h5, results/{dataset}/{model}/pack/config.json
#   results/{dataset}/{model}/gallery/{shard}.npz      features of a piece of the gallery, as `reid search` reads them
#   results/{dataset}/{model}/gallery/trained.faiss    what the shards share, made of a sample of all; removed once merged
#   results/{dataset}/{model}/gallery/{shard}.faiss    the index of one shard, removed once merged
#   results/{dataset}/{model}/gallery.faiss            the same as `reid index` makes of all shards at once
# No other target asks for it.
from reid.config.stages import GalleryConfig, IndexConfig

SHARDS = [f"{shard}-of-{CONFIG.index.shards}" for shard in range(CONFIG.index.shards)]


rule gallery:
    input:
        manifest="results/{dataset}/manifest.csv",
        embeddings=lambda wildcards: expand(
            "results/{dataset}/{model}/seed{seed}/embeddings.h5", **dict(wildcards.items()), seed=first_seed(wildcards)
        ),
        pack="results/{dataset}/{model}/pack/config.json",
    output:
        "results/{dataset}/{model}/gallery/{shard}.npz",
    log:
        "logs/{dataset}/{model}/gallery.{shard}.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/gallery.{shard}.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(GalleryConfig.of),
        code=code_digest("reid.stages.gallery"),
    message:
        "Taking the gallery of {wildcards.dataset} as {wildcards.model} sees it, shard {wildcards.shard}"
    shell:
        "python -m reid.stages gallery --config {params.config:q} --manifest {input.manifest:q}"
        " --embeddings {input.embeddings:q} --pack {input.pack:q} --shard {wildcards.shard} --features {output:q}"
        " 2>&1 | tee {log:q}"


rule index_train:
    input:
        expand("results/{{dataset}}/{{model}}/gallery/{shard}.npz", shard=SHARDS),
    output:
        temp("results/{dataset}/{model}/gallery/trained.faiss"),
    log:
        "logs/{dataset}/{model}/index_train.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/index_train.tsv"
    conda:
        "../../envs/index.yaml"
    threads: 8
    params:
        config=told(IndexConfig.of),
        code=code_digest("reid.stages.index_train"),
    message:
        "Training the index of {wildcards.dataset} for {wildcards.model}"
    shell:
        "OMP_NUM_THREADS={threads} python -m reid.stages index-train --config {params.config:q} --features {input:q}"
        " --trained {output:q} 2>&1 | tee {log:q}"


rule index_add:
    input:
        trained="results/{dataset}/{model}/gallery/trained.faiss",
        features="results/{dataset}/{model}/gallery/{shard}.npz",
    output:
        temp("results/{dataset}/{model}/gallery/{shard}.faiss"),
    log:
        "logs/{dataset}/{model}/index_add.{shard}.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/index_add.{shard}.tsv"
    conda:
        "../../envs/index.yaml"
    threads: 8
    params:
        code=code_digest("reid.stages.index_add"),
    message:
        "Indexing the gallery of {wildcards.dataset} for {wildcards.model}, shard {wildcards.shard}"
    shell:
        "OMP_NUM_THREADS={threads} python -m reid.stages index-add --trained {input.trained:q}"
        " --features {input.features:q} --index {output:q} 2>&1 | tee {log:q}"


rule index_merge:
    input:
        expand("results/{{dataset}}/{{model}}/gallery/{shard}.faiss", shard=SHARDS),
    output:
        "results/{dataset}/{model}/gallery.faiss",
    log:
        "logs/{dataset}/{model}/index_merge.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/index_merge.tsv"
    conda:
        "../../envs/index.yaml"
    threads: 1
    params:
        code=code_digest("reid.stages.index_merge"),
    message:
        "Merging the index of {wildcards.dataset} for {wildcards.model}"
    shell:
        "python -m reid.stages index-merge --shards {input:q} --index {output:q} 2>&1 | tee {log:q}"
