rule finetune:
    input:
        inputs_of(
            "jobs/{run}/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{phi_dataset}/{phi_variant}/seed{seed}.pt",
            "results/{run}/metrics/rates/{regime}/{head}/{variant}/{dataset}/seed{first}.json",  # if the learning rate is a chosen one
        ),
    output:
        multiext(
            "results/{run}/metrics/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}", ".json", ".record"
        ),
    log:
        "logs/{run}/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.tsv"
    conda:
        "../envs/patchvae.yaml"
    # CIFAR-100 on the CPU: at most 1.4 GB, and 40 minutes for 90 epochs; GPUs and ImageNet are not measured. The features
    # of frozen stages may take 4 GB more.
    resources:
        mem_mb=8000,
        runtime="1d",
        gpu=1,
    message:
        "Fine-tune {wildcards.variant} on {wildcards.dataset}, {wildcards.regime}, head {wildcards.head}, seed {wildcards.seed}"
    shell:
        RUN


use rule finetune as rates with:
    input:
        inputs_of(
            "jobs/{run}/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{phi_dataset}/{phi_variant}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.tsv"
    # Five to nine trainings as those of `finetune`, one after the other; it goes on where a limit stopped it.
    resources:
        mem_mb=8000,
        runtime="2d",
        gpu=1,
    message:
        "Choose the rate of head {wildcards.head} on {wildcards.variant}, {wildcards.dataset}, {wildcards.regime}"


use rule finetune as probe with:
    input:
        inputs_of(
            "jobs/{run}/probe/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{phi_dataset}/{phi_variant}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/probe/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/probe/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/probe/{dataset}/{variant}/seed{seed}.tsv"
    # CIFAR-100 on the CPU: at most 1.3 GB and 3 minutes. It cannot go on from a state, so it gets more time.
    resources:
        mem_mb=4000,
        runtime="4h",
        gpu=1,
    message:
        "Linear probe of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"


use rule finetune as few_labels with:
    input:
        inputs_of(
            "jobs/{run}/few_labels/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{phi_dataset}/{phi_variant}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/few_labels/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/few_labels/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/few_labels/{dataset}/{variant}/seed{seed}.tsv"
    wildcard_constraints:
        variant="(?!({})/)[^/]+".format("|".join(FLOORS)),  # the rows of the rule below
    # CIFAR-100 on the CPU: at most 4 GB, and ten minutes of one core.
    resources:
        mem_mb=6000,
        runtime="4h",
        gpu=1,
    message:
        "Few labels of {wildcards.dataset} on {wildcards.variant}, seed {wildcards.seed}"


use rule finetune as few_labels_pixels with:
    input:
        inputs_of("jobs/{run}/few_labels/{dataset}/{floor}/seed{seed}.json", "data/packed/{dataset}/**"),
    output:
        multiext("results/{run}/metrics/few_labels/{dataset}/{floor}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/few_labels/{dataset}/{floor}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/few_labels/{dataset}/{floor}/seed{seed}.tsv"
    wildcard_constraints:
        floor="|".join(FLOORS),  # rows without a network
    resources:
        mem_mb=6000,
        runtime="4h",
        gpu=1,
    message:
        "Few labels of {wildcards.dataset} on {wildcards.floor}, seed {wildcards.seed}"
