rule table1:
    input:
        code=code_of("patchvae.report.tables"),
        paper="paper/table1.csv",
        metrics=table1_metrics,
    output:
        csv="results/{run}/tables/table1.csv",
        md="results/{run}/tables/table1.md",
        tex="results/{run}/tables/table1.tex",
    log:
        "logs/{run}/table1.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        cfg=config_of("table1"),
    message:
        "Table 1 of run {wildcards.run}"
    shell:
        "python -m patchvae.cli table1 --log {log:q} --config {params.cfg:q} --paper {input.paper:q}"
        " --metrics {input.metrics:q} --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q}"


rule figure_masks:
    input:
        code=code_of("patchvae.report.figures"),
        images="data/packed/{dataset}/test_images.npy",
    output:
        png="results/{run}/figures/weight_masks_{dataset}.png",
        pdf="results/{run}/figures/weight_masks_{dataset}.pdf",
    log:
        "logs/{run}/figure_masks/{dataset}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=config_of("figure_masks"),
    message:
        "Draw weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-masks --log {log:q} --config {params.cfg:q}"
        " --images {input.images:q} --png {output.png:q} --pdf {output.pdf:q}"


rule figure_occurrence:
    input:
        code=code_of("patchvae.report.occurrence"),
        data=multiext("data/packed/{dataset}/", "test_images.npy", "test_labels.npy", "manifest.json"),
        checkpoint=drawn_checkpoint,
    output:
        png="results/{run}/figures/occurrence_maps_{dataset}.png",
        pdf="results/{run}/figures/occurrence_maps_{dataset}.pdf",
    log:
        "logs/{run}/figure_occurrence/{dataset}.log",
    threads: 1
    resources:
        mem_mb=3000,
        runtime="30m",
    params:
        cfg=config_of("figure_occurrence"),
    message:
        "Draw occurrence maps of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-occurrence --log {log:q} --config {params.cfg:q}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"
