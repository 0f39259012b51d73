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
        seeds="results/{run}/tables/table1_seeds.csv",
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
        " --seeds-csv {output.seeds:q}"


rule claims:
    input:
        claims=PARAMS["claims"],
        paper="paper/table1.csv",
        spread=["paper/sweep_num_parts.csv", "paper/sweep_part_dim.csv"],
        metrics=table1_metrics,
    output:
        csv="results/{run}/tables/claims.csv",
        md="results/{run}/tables/claims.md",
        tex="results/{run}/tables/claims.tex",
        html=report(
            "results/{run}/tables/claims.html",
            caption="../report/claims.rst",
            category="Classification",
            labels={"table": "Claims", "kind": "table"},
        ),
        answer="results/{run}/tables/answer.md",
        png=report(
            "results/{run}/figures/answer.png",
            caption="../report/claims_figure.rst",
            category="Classification",
            labels={"table": "Claims", "kind": "figure"},
        ),
        pdf="results/{run}/figures/answer.pdf",
    log:
        "logs/{run}/tables/claims.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code_of("claims"),
        cfg=config_of("claims"),
        wanted=wanted_metrics,
    message:
        "Claims of run {wildcards.run}"
    shell:
        "python -m patchvae.cli claims --log {log:q} --config {params.cfg:q} --metrics {input.metrics:q}"
        " --claims {input.claims:q} --paper {input.paper:q} --spread {input.spread:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"
        " --png {output.png:q} --pdf {output.pdf:q} --answer {output.answer:q}"


rule probe_table:
    input:
        metrics=probes_of,
    output:
        csv="results/{run}/tables/probe_{dataset}.csv",
        md="results/{run}/tables/probe_{dataset}.md",
        tex="results/{run}/tables/probe_{dataset}.tex",
        html=report(
            "results/{run}/tables/probe_{dataset}.html",
            caption="../report/probe.rst",
            category="Classification",
            labels={"table": "Linear probe", "data set": "{dataset}"},
        ),
    log:
        "logs/{run}/tables/probe_{dataset}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code_of("probe_table"),
        cfg=config_of("probe_table"),
        wanted=wanted_metrics,
    message:
        "Linear probes of run {wildcards.run}"
    shell:
        "python -m patchvae.cli probe-table --log {log:q} --config {params.cfg:q} --metrics {input.metrics:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule lengths:
    input:
        metrics=lengths_metrics,
        probes=probes_of,
    output:
        csv="results/{run}/tables/lengths_{dataset}.csv",
        md="results/{run}/tables/lengths_{dataset}.md",
        tex="results/{run}/tables/lengths_{dataset}.tex",
        html=report(
            "results/{run}/tables/lengths_{dataset}.html",
            caption="../report/lengths.rst",
            category="Classification",
            labels={"table": "Length of pretraining", "data set": "{dataset}", "kind": "table"},
        ),
        png=report(
            "results/{run}/figures/lengths_{dataset}.png",
            caption="../report/lengths_figure.rst",
            category="Classification",
            labels={"table": "Length of pretraining", "data set": "{dataset}", "kind": "figure"},
        ),
        pdf="results/{run}/figures/lengths_{dataset}.pdf",
    log:
        "logs/{run}/tables/lengths_{dataset}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code_of("lengths"),
        cfg=config_of("lengths"),
        wanted=wanted_metrics,
    message:
        "Accuracy against the length of pretraining of run {wildcards.run}"
    shell:
        "python -m patchvae.cli lengths --log {log:q} --config {params.cfg:q} --metrics {input.metrics:q}"
        " --probes {input.probes:q}"
        " --wanted {params.wanted} --packed data/packed"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"


rule sensitivity:
    input:
        metrics=sensitivity_metrics,
    output:
        csv="results/{run}/tables/sensitivity_{dataset}.csv",
        md="results/{run}/tables/sensitivity_{dataset}.md",
        tex="results/{run}/tables/sensitivity_{dataset}.tex",
        html=report(
            "results/{run}/tables/sensitivity_{dataset}.html",
            caption="../report/sensitivity.rst",
            category="Classification",
            labels={"table": "Open choices", "data set": "{dataset}"},
        ),
    log:
        "logs/{run}/tables/sensitivity_{dataset}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code_of("sensitivity"),
        cfg=config_of("sensitivity"),
        wanted=wanted_metrics,
    message:
        "The classifier's open choices of run {wildcards.run}"
    shell:
        "python -m patchvae.cli sensitivity --log {log:q} --config {params.cfg:q} --metrics {input.metrics:q}"
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
