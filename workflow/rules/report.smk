# Contract: what is measured -> the paper's tables, published rows next to ours, and what people look at besides them
# (snakemake --report gathers it).
#   results/{dataset}/{model}/training.svg         losses by epoch, all seeds
#   results/{dataset}/{model}/metrics.json of every row of tables.* whose datasets and weights are at hand
#   results/tables/{table}.csv, .md, .tex          other rows show the metrics.json that is there, or "not run"
#   results/tables/{table}.so_far.csv, .md, .tex   all rows do: nothing is run
#   results/tables/{table}.html                    all measures of the rows
#   results/tables/{table}.cmc.svg                 CMC curves of the rows
#   results/tables/{table}.parts.svg               precision of the rows by how many parts are visible
#   results/tables/{table}.reliability.svg         predicted and observed probability of the same person
#   results/tables/{table}.account.html            time, memory, code and inputs of all files behind the table
# reid.report.targets tells what a table needs.
from artefacts.files import sha256_of
from reid.config.stages import CurvesConfig
from reid.report import targets


rule curves:
    input:
        of_seeds("results/{dataset}/{model}/seed{seed}/history.csv"),
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
        dataset=names(CONFIG.trainable),
        model=names(CONFIG.models),
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(CurvesConfig.of),
        code=code_digest("reid.stages.curves"),
    message:
        "Drawing the training curves of {wildcards.model} on {wildcards.dataset}"
    shell:
        "python -m reid.stages curves --config {params.config:q} --histories {input:q} --figure {output:q}"
        " 2>&1 | tee {log:q}"


rule tabulate:
    input:
        for_job(targets.metrics_to_make),
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "shows": "as CSV"},
        ),
        markdown="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
    log:
        "logs/tables/{table}.log",
    benchmark:
        "benchmarks/results/tables/{table}.tsv"
    conda:
        "../../envs/reid.yaml"
    threads: 1
    params:
        config=told(targets.tabulated),
        code=code_digest("reid.stages.tabulate"),
        published=sha256_of(PROJECT / "reid" / "report" / "published.json"),
        found=for_job(targets.metrics_found),
        digests=lambda wildcards: [sha256_of(path) for path in targets.metrics_found(CONFIG, wildcards.table)],
    message:
        "Writing table {wildcards.table}"
    shell:
        "python -m reid.stages tabulate --config {params.config:q} --metrics {input:q} {params.found:q}"
        " --csv {output.csv:q}"
        " --markdown {output.markdown:q} --tex {output.tex:q} > {log:q} 2>&1"


rule compare:
    input:
        table="results/tables/{table}.csv",
        metrics=for_job(targets.metrics_of_rows),
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
        reliability=report(
            "results/tables/{table}.reliability.svg",
            caption="../report/reliability.rst",
            category="Tables",
            labels={"table": "{table}", "shows": "reliability of probabilities"},
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
        config=told(targets.compared),
        code=code_digest("reid.stages.compare"),
    message:
        "Drawing the curves of table {wildcards.table}"
    shell:
        "python -m reid.stages compare --config {params.config:q} --table {input.table:q} --metrics {input.metrics:q}"
        " --page {output.page:q} --cmc {output.cmc:q} --parts {output.parts:q}"
        " --reliability {output.reliability:q} 2>&1 | tee {log:q}"


rule account:
    input:
        made=for_job(targets.files_behind),
        given=for_job(targets.weights_behind),
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
        config=told(targets.accounted),
        code=code_digest("reid.stages.account"),
    message:
        "Listing what made table {wildcards.table}"
    shell:
        "python -m reid.stages account --config {params.config:q} --made {input.made:q} --given {input.given:q}"
        " --benchmarks benchmarks/results --page {output:q} 2>&1 | tee {log:q}"
