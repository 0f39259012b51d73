rule figure_masks:
    input:
        inputs_of("jobs/{run}/figures/figure6_{dataset}.json", "data/packed/{dataset}/test_images.npy"),
    output:
        shown("results/{run}/figures/figure6_{dataset}.png", "figure6", "Figures", "figure6"),
        multiext("results/{run}/figures/figure6_{dataset}", ".pdf", ".record"),
    log:
        "logs/{run}/figures/figure6_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/figure6_{dataset}.tsv"
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    message:
        "Draw weight masks of {wildcards.dataset}"
    shell:
        RUN


use rule figure_masks as figure_parts with:
    input:
        inputs_of(
            "jobs/{run}/figures/{figure}_{dataset}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{first}.pt",
        ),
    output:
        shown("results/{run}/figures/{figure}_{dataset}.png", "parts_figure", "Figures", "{figure}"),
        multiext("results/{run}/figures/{figure}_{dataset}", ".pdf", ".record"),
    log:
        "logs/{run}/figures/{figure}_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/{figure}_{dataset}.tsv"
    wildcard_constraints:
        figure="figure[1345]",
    resources:
        mem_mb=4000,
        runtime="2h",
    message:
        "Draw {wildcards.figure} of {wildcards.dataset}"


use rule figure_masks as figure_real_parts with:
    input:
        inputs_of(
            "jobs/{run}/figures/real_parts_{dataset}.json",
            "data/packed/{dataset}/test_images.npy",
            "data/packed/{dataset}/manifest.json",
            "results/{run}/metrics/real_parts/{dataset}/{variant}/seed{first}.json",
        ),
    output:
        shown("results/{run}/figures/real_parts_{dataset}.png", "real_parts_figure", "Figures", "real_parts"),
        multiext("results/{run}/figures/real_parts_{dataset}", ".pdf", ".record"),
    log:
        "logs/{run}/figures/real_parts_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/real_parts_{dataset}.tsv"
    resources:
        mem_mb=2000,
        runtime="10m",
    message:
        "Draw the parts that were measured on {wildcards.dataset}"
