# Contract: images -> part labels (Section 3.1.2).
#   results/{dataset}/manifest.csv, a PifPaf checkpoint
#   results/{dataset}/parsing/fields/{shard}.h5         confidence maps of one shard, removed once merged
#   results/{dataset}/parsing/fields.h5                 36 maps and the skeletons of every image; what an earlier run
#                                                       left here spares the same images the network
#   results/{dataset}/parsing/{scheme}.h5               label maps of K parts and grouped confidences
#   results/{dataset}/parsing/{scheme}.passed.txt       there if the labels are what labels.gate asks for
#   results/{dataset}/parsing/{scheme}.qc.json, .csv, .png   what the labels are worth: in all, by image, contact sheet
# Trainings wait for passed.txt. Labels are checked once, as a dataset's protocol is (manifest.smk): to check them by new
# limits, remove the file.
# Datasets with `labels_from` have rules of their own instead of the first two or three (conversion.smk).
from parsing.stage_config import FieldsConfig, GateConfig, LabelsConfig, QualityConfig
from reid.config.user_files import mask_weights, pifpaf_weights, target_overrides


rule fields:
    input:
        accepted="results/{dataset}/accepted.txt",
        manifest="results/{dataset}/manifest.csv",
        checkpoint=given(pifpaf_weights),
        silhouettes=given(mask_weights),
    output:
        temp("results/{dataset}/parsing/fields/{shard}.h5"),
    log:
        "logs/{dataset}/fields.{shard}.log",
    benchmark:
        "benchmarks/results/{dataset}/fields.{shard}.tsv"
    wildcard_constraints:
        dataset=datasets_labelled_by("pifpaf"),
    conda:
        "../../envs/parsing.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        config=told(FieldsConfig.of),
        code=code_digest("parsing.stages.fields"),
        known="results/{dataset}/parsing/fields.h5",
        state="state/{dataset}/fields/{shard}",
    message:
        "Finding body parts in {wildcards.dataset}, shard {wildcards.shard}"
    shell:
        "python -m parsing fields --config {params.config:q} --manifest {input.manifest:q}"
        " --checkpoint {input.checkpoint:q} --shard {wildcards.shard} --fields {output:q}"
        " --known {params.known:q} --state {params.state:q} --threads {threads} 2>&1 | tee {log:q}"


rule merge:
    input:
        manifest="results/{dataset}/manifest.csv",
        fields=expand(
            "results/{{dataset}}/parsing/fields/{shard}-of-{shards}.h5",
            shard=range(CONFIG.labels.shards),
            shards=CONFIG.labels.shards,
        ),
    output:
        "results/{dataset}/parsing/fields.h5",
    log:
        "logs/{dataset}/merge.log",
    benchmark:
        "benchmarks/results/{dataset}/merge.tsv"
    wildcard_constraints:
        dataset=datasets_labelled_by("pifpaf"),
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        code=code_digest("parsing.stages.merge"),
    message:
        "Merging the body parts of {wildcards.dataset}"
    shell:
        "python -m parsing merge --manifest {input.manifest:q} --fields {input.fields:q}"
        " --merged {output:q} 2>&1 | tee {log:q}"


rule labels:
    input:
        fields="results/{dataset}/parsing/fields.h5",
        overrides=given(target_overrides),
    output:
        "results/{dataset}/parsing/{scheme}.h5",
    log:
        "logs/{dataset}/labels.{scheme}.log",
    benchmark:
        "benchmarks/results/{dataset}/labels.{scheme}.tsv"
    wildcard_constraints:
        dataset=datasets_labelled_by("pifpaf", "confidence_npy", "coco_json"),
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        config=told(LabelsConfig.of),
        code=code_digest("parsing.stages.labels"),
        overrides=optional("--overrides", "overrides"),
    message:
        "Labelling {wildcards.dataset} with the parts of {wildcards.scheme}"
    shell:
        "python -m parsing labels --config {params.config:q} --fields {input.fields:q} {params.overrides}"
        " --labels {output:q} 2>&1 | tee {log:q}"


rule gate:
    input:
        labels="results/{dataset}/parsing/{scheme}.h5",
        fields="results/{dataset}/parsing/fields.h5",
    output:
        "results/{dataset}/parsing/{scheme}.passed.txt",
    log:
        "logs/{dataset}/gate.{scheme}.log",
    benchmark:
        "benchmarks/results/{dataset}/gate.{scheme}.tsv"
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        config=uncompared(told(GateConfig.of)),
    message:
        "Checking the {wildcards.scheme} labels of {wildcards.dataset}"
    shell:
        "python -m parsing gate --config {params.config:q} --labels {input.labels:q} --fields {input.fields:q}"
        " --passed {output:q} 2>&1 | tee {log:q}"


rule quality:
    input:
        manifest="results/{dataset}/manifest.csv",
        labels="results/{dataset}/parsing/{scheme}.h5",
        fields="results/{dataset}/parsing/fields.h5",
        truth=rendered("truth.h5"),
    output:
        report=report(
            "results/{dataset}/parsing/{scheme}.qc.json",
            caption="../report/quality.rst",
            category="Labels",
            labels={"dataset": "{dataset}", "scheme": "{scheme}", "shows": "in all"},
        ),
        table=report(
            "results/{dataset}/parsing/{scheme}.qc.csv",
            caption="../report/quality_table.rst",
            category="Labels",
            labels={"dataset": "{dataset}", "scheme": "{scheme}", "shows": "by image"},
        ),
        sheet=report(
            "results/{dataset}/parsing/{scheme}.qc.png",
            caption="../report/labels.rst",
            category="Labels",
            labels={"dataset": "{dataset}", "scheme": "{scheme}", "shows": "worst images"},
        ),
    log:
        "logs/{dataset}/quality.{scheme}.log",
    benchmark:
        "benchmarks/results/{dataset}/quality.{scheme}.tsv"
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        config=told(QualityConfig.of),
        code=code_digest("parsing.stages.quality"),
        truth=optional("--truth", "truth"),
    message:
        "Measuring the {wildcards.scheme} labels of {wildcards.dataset}"
    shell:
        "python -m parsing quality --config {params.config:q} --manifest {input.manifest:q} --labels {input.labels:q}"
        " --fields {input.fields:q} {params.truth} --report {output.report:q} --table {output.table:q}"
        " --sheet {output.sheet:q} 2>&1 | tee {log:q}"
