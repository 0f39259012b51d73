rule table1:
    input:
        paper="paper/table1.csv",
        metrics=table1_metrics,
    output:
        csv="results/{run}/tables/table1.csv",
        md="results/{run}/tables/table1.md",
        tex="results/{run}/tables/table1.tex",
        html=report(
            "results/{run}/tables/table1.html",
            caption="../report/table1.rst",
            category="Classification",
            labels={"table": "Table 1"},
        ),
    log:
        "logs/{run}/tables/table1.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("table1"),
        cfg=config_of("table1"),
        wanted=wanted_metrics,
    message:
        "Table 1 of run {wildcards.run}"
    shell:
        "python -m patchvae.cli table1 --log {log:q} --config {params.cfg:q} --paper {input.paper:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule table2:
    input:
        paper="paper/table2.csv",
        metrics=table2_metrics,
    output:
        csv="results/{run}/tables/table2.csv",
        md="results/{run}/tables/table2.md",
        tex="results/{run}/tables/table2.tex",
        html=report(
            "results/{run}/tables/table2.html",
            caption="../report/table2.rst",
            category="Classification",
            labels={"table": "Table 2"},
        ),
    log:
        "logs/{run}/tables/table2.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("table2"),
        cfg=config_of("table2"),
        wanted=wanted_metrics,
    message:
        "Table 2 of run {wildcards.run}"
    shell:
        "python -m patchvae.cli table2 --log {log:q} --config {params.cfg:q} --paper {input.paper:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule sweep:
    input:
        paper=sweep_paper,
        metrics=sweep_metrics,
    output:
        csv="results/{run}/tables/sweep_{key}.csv",
        md="results/{run}/tables/sweep_{key}.md",
        tex="results/{run}/tables/sweep_{key}.tex",
        html=report(
            "results/{run}/tables/sweep_{key}.html",
            caption="../report/sweep.rst",
            category="Ablations",
            labels={"sweep": "{key}", "kind": "table"},
        ),
        png=report(
            "results/{run}/figures/sweep_{key}.png",
            caption="../report/sweep_figure.rst",
            category="Ablations",
            labels={"sweep": "{key}", "kind": "figure"},
        ),
        pdf="results/{run}/figures/sweep_{key}.pdf",
    log:
        "logs/{run}/tables/sweep_{key}.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("sweep"),
        cfg=config_of("sweep"),
        wanted=wanted_metrics,
    message:
        "Sweep of {wildcards.key} of run {wildcards.run}"
    shell:
        "python -m patchvae.cli sweep --log {log:q} --config {params.cfg:q} --paper {input.paper:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"


rule table7:
    input:
        paper="paper/table7.csv",
        metrics=every_metrics("reconstruct", "fid"),
    output:
        csv="results/{run}/tables/table7.csv",
        md="results/{run}/tables/table7.md",
        tex="results/{run}/tables/table7.tex",
        html=report(
            "results/{run}/tables/table7.html",
            caption="../report/table7.rst",
            category="Reconstruction",
            labels={"table": "Table 7"},
        ),
    log:
        "logs/{run}/tables/table7.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("table7"),
        cfg=config_of("table7"),
        wanted=wanted_metrics,
    message:
        "Table 7 of run {wildcards.run}"
    shell:
        "python -m patchvae.cli table7 --log {log:q} --config {params.cfg:q} --paper {input.paper:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule parts_table:
    input:
        metrics=every_metrics("parts"),
    output:
        csv="results/{run}/tables/parts.csv",
        md="results/{run}/tables/parts.md",
        tex="results/{run}/tables/parts.tex",
        html=report(
            "results/{run}/tables/parts.html",
            caption="../report/parts.rst",
            category="Parts",
            labels={"table": "Part discovery"},
        ),
    log:
        "logs/{run}/tables/parts.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("parts_table"),
        cfg=config_of("parts_table"),
        wanted=wanted_metrics,
    message:
        "Part discovery of run {wildcards.run}"
    shell:
        "python -m patchvae.cli parts-table --log {log:q} --config {params.cfg:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule parameter_tables:
    input:
        paper="paper/parameter_counts.csv",
    output:
        csv=expand("results/{{run}}/tables/{table}.csv", table=plan.PARAMETER_TABLES),
        md=expand("results/{{run}}/tables/{table}.md", table=plan.PARAMETER_TABLES),
        tex=expand("results/{{run}}/tables/{table}.tex", table=plan.PARAMETER_TABLES),
        html=report(
            expand("results/{{run}}/tables/{table}.html", table=plan.PARAMETER_TABLES),
            caption="../report/parameters.rst",
            category="Parameter counts",
        ),
    log:
        "logs/{run}/tables/parameters.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("parameter_tables"),
    message:
        "Tables 8 to 12 of run {wildcards.run}"
    shell:
        "python -m patchvae.cli parameter-tables --log {log:q} --paper {input.paper:q}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule summary:
    input:
        csv=measured_tables,
        folder=table_files,
    output:
        "results/{run}/summary.json",
    log:
        "logs/{run}/summary.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("summary"),
    message:
        "Numbers of run {wildcards.run} in one file"
    shell:
        "python -m patchvae.cli summary --log {log:q} --tables {input.csv:q} --out {output:q}"


rule curves:
    input:
        pretrain=every_metrics("pretrain"),
        finetune=every_metrics("finetune"),
    output:
        pretrain="results/{run}/curves/pretrain.csv",
        finetune="results/{run}/curves/finetune.csv",
    log:
        "logs/{run}/curves.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("curves"),
        wanted=wanted_metrics,
    message:
        "Learning curves of run {wildcards.run}"
    shell:
        "python -m patchvae.cli curves --log {log:q} --pretrain {input.pretrain:q} --finetune {input.finetune:q}"
        " --wanted {params.wanted} --packed data/packed --pretrain-csv {output.pretrain:q} --finetune-csv {output.finetune:q}"
