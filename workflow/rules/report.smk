# Contract: what is measured -> what people look at beside the tables (snakemake --report gathers it).
#   results/{dataset}/{model}/training.svg   losses by epoch, all seeds
#   results/tables/{table}.html              all measures of the rows
#   results/tables/{table}.cmc.svg           CMC curves of the rows
#   results/tables/{table}.parts.svg         precision of the rows by how many parts are visible
#   results/tables/{table}.account.html      time, memory, code and inputs of all files behind the table


rule curves:
    input:
        histories_of_seeds,
    output:
        report(
            "results/{dataset}/{model}/training.svg",
            caption="../report/training.rst",
            category="Training",
            labels={"dataset": "{dataset}", "model": "{model}"},
        ),
    log:
        "logs/{dataset}/{model}/curves.log",
    benchmark:
        "benchmarks/results/{dataset}/{model}/curves.tsv"
    wildcard_constraints:
        dataset=names(name for name, dataset in CONFIG.datasets.items() if not dataset.trains_on),
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=curves_slice,
        code=code_digest("reid.stages.curves"),
    message:
        "Drawing the training curves of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m reid curves --config {params.config:q} --histories {input:q} --figure {output:q} 2>&1 | tee {log:q}"


rule compare:
    input:
        table="results/tables/{table}.csv",
        metrics=metrics_of_row_seeds,
    output:
        page=report(
            "results/tables/{table}.html",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "shows": "all measures"},
        ),
        cmc=report(
            "results/tables/{table}.cmc.svg",
            caption="../report/cmc.rst",
            category="Tables",
            labels={"table": "{table}", "shows": "CMC curves"},
        ),
        parts=report(
            "results/tables/{table}.parts.svg",
            caption="../report/parts.rst",
            category="Tables",
            labels={"table": "{table}", "shows": "precision by visible parts"},
        ),
    log:
        "logs/tables/{table}.compare.log",
    benchmark:
        "benchmarks/results/tables/{table}.compare.tsv"
    wildcard_constraints:
        table=names(CONFIG.tables),
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=compare_slice,
        code=code_digest("reid.stages.compare"),
    message:
        "Drawing the curves of table {wildcards.table}"
    shell:
        "python -m reid compare --config {params.config:q} --table {input.table:q} --metrics {input.metrics:q}"
        " --page {output.page:q} --cmc {output.cmc:q} --parts {output.parts:q} 2>&1 | tee {log:q}"


rule account:
    input:
        made=made_for_table,
        given=weights_for_table,
    output:
        report(
            "results/tables/{table}.account.html",
            caption="../report/account.rst",
            category="Runtime and provenance",
            labels={"table": "{table}"},
        ),
    log:
        "logs/tables/{table}.account.log",
    benchmark:
        "benchmarks/results/tables/{table}.account.tsv"
    wildcard_constraints:
        table=names(CONFIG.tables),
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=account_slice,
        code=code_digest("reid.stages.account"),
    message:
        "Listing what made table {wildcards.table}"
    shell:
        "python -m reid account --config {params.config:q} --made {input.made:q} --given {input.given:q}"
        " --benchmarks benchmarks/results --page {output:q} 2>&1 | tee {log:q}"
