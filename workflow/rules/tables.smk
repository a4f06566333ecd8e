# Contract: metrics of many models -> the paper's tables, published rows beside ours.
#   results/{dataset}/{model}/metrics.json of every row of tables.* whose dataset and weights are at hand
#   results/tables/{table}.csv, .md, .tex          other rows show the metrics.json that is there, or "not run"
#   results/tables/{table}.so_far.csv, .md, .tex   all rows do: nothing is run


rule tabulate:
    input:
        metrics_of_rows,
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
        config=tabulate_slice,
        code=code_digest("reid.stages.tabulate"),
        published=sha256_of(PROJECT / "reid" / "report" / "published.json"),
        found=metrics_found,
        digests=lambda wildcards: [sha256_of(path) for path in metrics_found(wildcards)],
    message:
        "Writing table {wildcards.table}"
    shell:
        "python -m reid tabulate --config {params.config:q} --metrics {input:q} {params.found:q} --csv {output.csv:q}"
        " --markdown {output.markdown:q} --tex {output.tex:q} > {log:q} 2>&1"
