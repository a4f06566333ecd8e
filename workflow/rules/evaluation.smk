# Contract: a trained model -> embeddings, metrics and pictures (Sections 3.3, 4.1).
#   results/{dataset}/manifest.csv, results/{trained on}/{model}/seed{seed}/model.safetensors
#   results/{dataset}/parsing/{scheme}.h5                 for models whose attention the labels are
#   results/{dataset}/{model}/seed{seed}/embeddings.h5    query and gallery, with their visibility
#   results/{dataset}/{model}/seed{seed}/{matching}.json  metrics of one seed under one matching
#   results/{dataset}/{model}/metrics.json                mean and spread over the dataset's seeds
#   results/{dataset}/{model}/pack/                       weights, configuration, model card: what leaves the workflow
#   results/{dataset}/{model}/ranking.png, .csv           queries with their first gallery images
#   results/{dataset}/{model}/attention.png               labels next to attention maps
# {model} is an entry of `models`, or small@duke: the entry small, trained on duke, whose seeds count then
# (reid.config.model_names). Pictures show the first seed.
from reid.config.stages import AttentionConfig, EmbedConfig, EvaluateConfig, PackConfig, RankConfig, SummariseConfig
from reid.config.user_files import query_groups
from reid.report.targets import metrics_of_seeds

first_seed = lambda wildcards: CONFIG.seeds_of(wildcards.model, wildcards.dataset)[0]


rule embed:
    input:
        accepted="results/{dataset}/accepted.txt",
        manifest="results/{dataset}/manifest.csv",
        model=lambda wildcards: f"{trained_model(wildcards)}/seed{wildcards.seed}/model.safetensors",
        labels=lambda wildcards: labels_of(wildcards) if CONFIG.model(wildcards.model).attends_labels else [],
    output:
        "results/{dataset}/{model}/seed{seed}/embeddings.h5",
    log:
        "logs/{dataset}/{model}/embed.seed{seed}.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/embed.seed{seed}.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: cores_of_gpus()
    resources:
        gpu=1,
    params:
        config=told(EmbedConfig.of),
        code=code_digest("reid.stages.embed"),
        labels=optional("--labels", "labels"),
    message:
        "Embedding {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m reid.stages embed --config {params.config:q} --manifest {input.manifest:q} --model {input.model:q}"
        " {params.labels} --embeddings {output:q} --threads {threads} 2>&1 | tee {log:q}"


rule evaluate:
    input:
        embeddings="results/{dataset}/{model}/seed{seed}/embeddings.h5",
        groups=given(query_groups),
    output:
        "results/{dataset}/{model}/seed{seed}/{matching}.json",
    log:
        "logs/{dataset}/{model}/evaluate.seed{seed}.{matching}.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/evaluate.seed{seed}.{matching}.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 4
    params:
        config=told(EvaluateConfig.of),
        code=code_digest("reid.stages.evaluate"),
        groups=optional("--groups", "groups"),
    message:
        "Evaluating {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}, matching {wildcards.matching}"
    shell:
        "python -m reid.stages evaluate --config {params.config:q} --embeddings {input.embeddings:q} {params.groups}"
        " --metrics {output:q}"
        " --threads {threads} 2>&1 | tee {log:q}"


rule summarise:
    input:
        for_job(metrics_of_seeds),
    output:
        "results/{dataset}/{model}/metrics.json",
    log:
        "logs/{dataset}/{model}/summarise.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/summarise.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(SummariseConfig.of),
        code=code_digest("reid.stages.summarise"),
    message:
        "Summarising {wildcards.model} on {wildcards.dataset} over its seeds"
    shell:
        "python -m reid.stages summarise --config {params.config:q} --metrics {input:q} --summary {output:q}"
        " 2>&1 | tee {log:q}"


rule pack:
    input:
        model=lambda wildcards: f"{trained_model(wildcards)}/seed{first_seed(wildcards)}/model.safetensors",
        metrics="results/{dataset}/{model}/metrics.json",
        evaluation=lambda wildcards: expand(
            "results/{dataset}/{model}/seed{seed}/{matching}.json",
            **dict(wildcards.items()),
            seed=first_seed(wildcards),
            matching=CONFIG.model(wildcards.model).matching,
        ),
    output:
        weights="results/{dataset}/{model}/pack/model.safetensors",
        config="results/{dataset}/{model}/pack/config.json",
        card="results/{dataset}/{model}/pack/README.md",
    log:
        "logs/{dataset}/{model}/pack.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/pack.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(PackConfig.of),
        code=code_digest("reid.stages.pack"),
        folder=subpath(output.config, parent=True),
    message:
        "Packing {wildcards.model}, trained for {wildcards.dataset}"
    shell:
        "python -m reid.stages pack --config {params.config:q} --model {input.model:q} --metrics {input.metrics:q}"
        " --evaluation {input.evaluation:q} --pack {params.folder:q} 2>&1 | tee {log:q}"


rule rank:
    input:
        of_seeds("results/{dataset}/{model}/seed{seed}/embeddings.h5", 1),
    output:
        picture=report(
            "results/{dataset}/{model}/ranking.png",
            caption="../report/ranking.rst",
            category="Rankings",
            labels={"dataset": "{dataset}", "model": "{model}"},
        ),
        ranking="results/{dataset}/{model}/ranking.csv",
    log:
        "logs/{dataset}/{model}/rank.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/rank.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 4
    params:
        config=told(RankConfig.of),
        code=code_digest("reid.stages.rank"),
    message:
        "Drawing rankings of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m reid.stages rank --config {params.config:q} --embeddings {input:q} --picture {output.picture:q}"
        " --ranking {output.ranking:q} --threads {threads} 2>&1 | tee {log:q}"


rule attention:
    input:
        embeddings=of_seeds("results/{dataset}/{model}/seed{seed}/embeddings.h5", 1),
        labels=labels_of,
    output:
        report(
            "results/{dataset}/{model}/attention.png",
            caption="../report/attention.rst",
            category="Attention",
            labels={"dataset": "{dataset}", "model": "{model}"},
        ),
    log:
        "logs/{dataset}/{model}/attention.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/attention.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(AttentionConfig.of),
        code=code_digest("reid.stages.attention"),
    message:
        "Drawing the attention of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m reid.stages attention --config {params.config:q} --embeddings {input.embeddings:q}"
        " --labels {input.labels:q} --picture {output:q} 2>&1 | tee {log:q}"
