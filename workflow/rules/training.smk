# Contract: images with part labels -> a trained model (Sections 3.1, 3.2, 4.2).
#   results/backbones/{backbone}.safetensors   ImageNet weights out of a Python package, in timm's layout
#   results/{member}/manifest.csv, results/{member}/parsing/{scheme}.h5, {scheme}.passed.txt (not for stripes)
#                                              of the dataset, or of each that it combines
#   results/{dataset}/{model}/seed{seed}/model.safetensors, history.csv
# state/{dataset}/{model}/seed{seed} keeps the work in progress. It is no output, since Snakemake removes the outputs
# of a failed job: a killed training goes on from there.
from reid.config.stages import ImportBackboneConfig, TrainConfig
from reid.config.user_files import backbone_weights

learns_parts = lambda model: model.needs_labels


rule import_backbone:
    output:
        "results/backbones/{backbone}.safetensors",
    log:
        "logs/backbones/{backbone}.log",
    benchmark:
        "benchmarks/results/backbones/{backbone}.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(ImportBackboneConfig.of),
        code=code_digest("reid.stages.import_backbone"),
    message:
        "Importing the ImageNet weights of {wildcards.backbone}"
    shell:
        "python -m reid.stages import-backbone --config {params.config:q} --weights {output:q} 2>&1 | tee {log:q}"


rule train:
    input:
        accepted=of_members("results/{member}/accepted.txt"),
        manifest=of_members("results/{member}/manifest.csv"),
        labels=of_members("results/{member}/parsing/{scheme}.h5", learns_parts),
        passed=of_members("results/{member}/parsing/{scheme}.passed.txt", learns_parts),
        backbone=given(backbone_weights),
    output:
        model="results/{dataset}/{model}/seed{seed}/model.safetensors",
        history="results/{dataset}/{model}/seed{seed}/history.csv",
    log:
        "logs/{dataset}/{model}/train.seed{seed}.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/train.seed{seed}.tsv"
    wildcard_constraints:
        dataset=names(CONFIG.trainable),
        model=names(CONFIG.models),
    conda:
        "../../envs/reid.yaml"
    threads: cores_of_gpus(processes_of)
    resources:
        gpu=processes_of,
    params:
        config=told(TrainConfig.of),
        code=code_digest("reid.stages.train"),
        labels=optional("--labels", "labels"),
        state="state/{dataset}/{model}/seed{seed}",
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m reid.stages train --config {params.config:q} --manifest {input.manifest:q} {params.labels}"
        " --model {output.model:q} --history {output.history:q} --state {params.state:q}"
        " --threads {threads} 2>&1 | tee {log:q}"
