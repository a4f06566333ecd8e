# Contract: labels that another program made -> the files that PifPaf's labels would be in (datasets.*.labels_from).
#   results/{dataset}/manifest.csv, labels_from.path
#   results/{dataset}/parsing/fields.h5     instead of fields and merge: maps, skeletons (where known), status
#   results/{dataset}/parsing/{scheme}.h5   instead of labels, of a human parser's images
# Label files in a folder are no inputs, as images are none: their names and sizes are a param.
from parsing.stage_config import ConvertConfig, ConvertPartsConfig
from reid.config.user_files import foreign_labels, image_numbers


rule convert:
    input:
        accepted="results/{dataset}/accepted.txt",
        manifest="results/{dataset}/manifest.csv",
        labels=given(foreign_labels),
        numbers=given(image_numbers),
    output:
        "results/{dataset}/parsing/fields.h5",
    log:
        "logs/{dataset}/convert.log",
    benchmark:
        "benchmarks/results/{dataset}/convert.tsv"
    wildcard_constraints:
        dataset=datasets_labelled_by("confidence_npy", "coco_json", "part_png"),
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        config=told(ConvertConfig.of),
        code=code_digest("parsing.stages.convert"),
        labels=listing_of(foreign_labels),
    message:
        "Converting the labels of {wildcards.dataset}"
    shell:
        "python -m parsing convert --config {params.config:q} --manifest {input.manifest:q}"
        " --fields {output:q} 2>&1 | tee {log:q}"


rule convert_parts:
    input:
        "results/{dataset}/parsing/fields.h5",
    output:
        "results/{dataset}/parsing/{scheme}.h5",
    log:
        "logs/{dataset}/convert_parts.{scheme}.log",
    benchmark:
        "benchmarks/results/{dataset}/convert_parts.{scheme}.tsv"
    wildcard_constraints:
        dataset=datasets_labelled_by("part_png"),
    conda:
        "../../envs/parsing.yaml"
    threads: 1
    params:
        config=told(ConvertPartsConfig.of),
        code=code_digest("parsing.stages.convert_parts"),
        labels=listing_of(foreign_labels),
    message:
        "Converting the labels of {wildcards.dataset} to the parts of {wildcards.scheme}"
    shell:
        "python -m parsing convert-parts --config {params.config:q} --fields {input:q} --labels {output:q} 2>&1 | tee {log:q}"
