# Contract: rendered people with known keypoints -> a PifPaf network of our own.
#   results/{dataset}/source/index.csv, truth.h5 of pifpaf.*.train_on and validate_on
#   results/pifpaf/{pifpaf}/checkpoint.safetensors, checkpoint.json (its quality)
# Asked for by name, or where pifpaf.*.weights points at such a checkpoint; the others are files of the user's.
from parsing.stage_config import TrainPifPafConfig


rule train_pifpaf:
    input:
        index=lambda wildcards: f"results/{CONFIG.pifpaf[wildcards.pifpaf].train_on}/source/index.csv",
        truth=lambda wildcards: f"results/{CONFIG.pifpaf[wildcards.pifpaf].train_on}/source/truth.h5",
        validation_index=lambda wildcards: f"results/{CONFIG.pifpaf[wildcards.pifpaf].validate_on}/source/index.csv",
        validation_truth=lambda wildcards: f"results/{CONFIG.pifpaf[wildcards.pifpaf].validate_on}/source/truth.h5",
    output:
        checkpoint="results/pifpaf/{pifpaf}/checkpoint.safetensors",
        report="results/pifpaf/{pifpaf}/checkpoint.json",
    log:
        "logs/pifpaf/{pifpaf}/train.log",
    benchmark:
        "benchmarks/results/pifpaf/{pifpaf}/train.tsv"
    conda:
        "../../envs/parsing.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        config=told(TrainPifPafConfig.of),
        code=code_digest("parsing.stages.train_pifpaf"),
        state="state/pifpaf/{pifpaf}",
    message:
        "Training the PifPaf network {wildcards.pifpaf}"
    shell:
        "python -m parsing train-pifpaf --config {params.config:q} --index {input.index:q} --truth {input.truth:q}"
        " --validation-index {input.validation_index:q} --validation-truth {input.validation_truth:q}"
        " --checkpoint {output.checkpoint:q} --report {output.report:q} --state {params.state:q}"
        " --threads {threads} 2>&1 | tee {log:q}"
