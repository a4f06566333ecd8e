# Contract: metrics of many models -> the paper's tables, published rows beside ours.
#   results/{dataset}/{model}/metrics.json of every row of tables.*
#   results/tables/{table}.csv, .md, .tex


rule tabulate:
    input:
        metrics_of_rows,
    output:
        csv=report("results/tables/{table}.csv", caption="../report/table.rst", category="Tables"),
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
        published=sha256_of(PROJECT / "reid" / "published.json"),
    message:
        "Writing table {wildcards.table}"
    shell:
        "python -m reid tabulate --config {params.config:q} --metrics {input:q} --csv {output.csv:q}"
        " --markdown {output.markdown:q} --tex {output.tex:q} > {log:q} 2>&1"
