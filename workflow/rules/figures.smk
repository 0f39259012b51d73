rule figure_masks:
    input:
        images="data/packed/{dataset}/test_images.npy",
    output:
        png=report(
            "results/{run}/figures/figure6_{dataset}.png",
            caption="../report/figure6.rst",
            category="Figures",
            labels={"figure": "figure6", "data set": "{dataset}"},
        ),
        pdf="results/{run}/figures/figure6_{dataset}.pdf",
    log:
        "logs/{run}/figures/figure6_{dataset}.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        code=code_of("figure_masks"),
        cfg=config_of("figure_masks"),
        wanted=wanted_inputs,
    message:
        "Draw weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-masks --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --images {input.images:q} --png {output.png:q} --pdf {output.pdf:q}"


rule figure_parts:
    input:
        data=multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "test_images.npy",
            "test_labels.npy",
            "manifest.json",
        ),
        checkpoint=drawn_checkpoint,
    output:
        png=report(
            "results/{run}/figures/{figure}_{dataset}.png",
            caption="../report/parts_figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "data set": "{dataset}"},
        ),
        pdf="results/{run}/figures/{figure}_{dataset}.pdf",
    log:
        "logs/{run}/figures/{figure}_{dataset}.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        code=code_of("figure_parts"),
        cfg=config_of("figure_parts"),
        wanted=wanted_inputs,
    message:
        "Draw {wildcards.figure} of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli figure-parts {wildcards.figure:q} --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --png {output.png:q} --pdf {output.pdf:q}"
