rule figure_masks:
    input:
        unpack(inputs_of("figure_masks")),
    output:
        png=report(
            KINDS["figure_masks"].outputs["png"],
            caption="../report/figure6.rst",
            category="Figures",
            labels={"figure": "figure6", "data set": "{dataset}"},
        ),
        pdf=KINDS["figure_masks"].outputs["pdf"],
    log:
        "logs/{run}/figures/figure6_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/figure6_{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        **told("figure_masks"),
        wanted=wanted_inputs,
    message:
        "Draw weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-masks --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --images {input.images:q} --png {output.png:q} --pdf {output.pdf:q}"


rule figure_parts:
    input:
        unpack(inputs_of("figure_parts")),
    output:
        png=report(
            KINDS["figure_parts"].outputs["png"],
            caption="../report/parts_figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "data set": "{dataset}"},
        ),
        pdf=KINDS["figure_parts"].outputs["pdf"],
    log:
        "logs/{run}/figures/{figure}_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/{figure}_{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        **told("figure_parts"),
        wanted=wanted_inputs,
    message:
        "Draw {wildcards.figure} of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-parts {wildcards.figure:q} --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"


rule figure_real_parts:
    input:
        unpack(inputs_of("figure_real_parts")),
    output:
        png=report(
            KINDS["figure_real_parts"].outputs["png"],
            caption="../report/real_parts_figure.rst",
            category="Figures",
            labels={"figure": "real_parts", "data set": "{dataset}"},
        ),
        pdf=KINDS["figure_real_parts"].outputs["pdf"],
    log:
        "logs/{run}/figures/real_parts_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/real_parts_{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        **told("figure_real_parts"),
        wanted=wanted_metrics,
    message:
        "Draw the parts that were measured on {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-real-parts --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --measured {input.measured:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"
