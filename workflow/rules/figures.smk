rule figure_masks:
    input:
        unpack(
            inputs_of(
                "jobs/{run}/figures/figure6_{dataset}.json",
                "data/packed/{dataset}/test_images.npy",
            )
        ),
    output:
        report(
            "results/{run}/figures/figure6_{dataset}.png",
            caption="../report/figure6.rst",
            category="Figures",
            labels={"figure": "figure6", "data set": "{dataset}"},
        ),
        "results/{run}/figures/figure6_{dataset}.pdf",
        "results/{run}/figures/figure6_{dataset}.record",
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


rule figure_parts:
    input:
        unpack(
            inputs_of(
                "jobs/{run}/figures/{figure}_{dataset}.json",
                "data/packed/{dataset}/train_images.npy",
                "data/packed/{dataset}/test_images.npy",
                "data/packed/{dataset}/train_labels.npy",
                "data/packed/{dataset}/test_labels.npy",
                "data/packed/{dataset}/manifest.json",
                "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{first}.pt",
            )
        ),
    output:
        report(
            "results/{run}/figures/{figure}_{dataset}.png",
            caption="../report/parts_figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "data set": "{dataset}"},
        ),
        "results/{run}/figures/{figure}_{dataset}.pdf",
        "results/{run}/figures/{figure}_{dataset}.record",
    log:
        "logs/{run}/figures/{figure}_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/{figure}_{dataset}.tsv"
    wildcard_constraints:
        figure="figure[1345]",
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=4000,
        runtime="2h",
    message:
        "Draw {wildcards.figure} of {wildcards.dataset}"
    shell:
        RUN


rule figure_real_parts:
    input:
        unpack(
            inputs_of(
                "jobs/{run}/figures/real_parts_{dataset}.json",
                "data/packed/{dataset}/test_images.npy",
                "data/packed/{dataset}/manifest.json",
                "results/{run}/metrics/real_parts/{dataset}/{variant}/seed{first}.json",
            )
        ),
    output:
        report(
            "results/{run}/figures/real_parts_{dataset}.png",
            caption="../report/real_parts_figure.rst",
            category="Figures",
            labels={"figure": "real_parts", "data set": "{dataset}"},
        ),
        "results/{run}/figures/real_parts_{dataset}.pdf",
        "results/{run}/figures/real_parts_{dataset}.record",
    log:
        "logs/{run}/figures/real_parts_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/figures/real_parts_{dataset}.tsv"
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    message:
        "Draw the parts that were measured on {wildcards.dataset}"
    shell:
        RUN
