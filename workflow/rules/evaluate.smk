rule reconstruct:
    input:
        inputs_of(
            "jobs/{run}/reconstruct/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/test_images.npy",
            "data/packed/{dataset}/manifest.json",
            "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/reconstruct/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/reconstruct/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/reconstruct/{dataset}/{variant}/seed{seed}.tsv"
    conda:
        "../envs/patchvae.yaml"
    # In small: at most 1.0 GB and a minute. ImageNet is not measured.
    resources:
        mem_mb=4000,
        runtime="4h",
        gpu=1,
    message:
        "PSNR and SSIM of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        RUN


use rule reconstruct as fid with:
    input:
        inputs_of(
            "jobs/{run}/fid/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/test_images.npy",
            "data/packed/{dataset}/manifest.json",
            "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt",
            "data/inception.json",
        ),
    output:
        multiext("results/{run}/metrics/fid/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/fid/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/fid/{dataset}/{variant}/seed{seed}.tsv"
    # Not measured with the real weights
    resources:
        mem_mb=6000,
        runtime="1d",
        gpu=1,
    message:
        "FID of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"


use rule reconstruct as parts with:
    input:
        inputs_of(
            "jobs/{run}/parts/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/parts/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/parts/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/parts/{dataset}/{variant}/seed{seed}.tsv"
    resources:
        mem_mb=3000,
        runtime="1h",
    message:
        "Score the parts of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"


use rule reconstruct as real_parts with:
    input:
        inputs_of(
            "jobs/{run}/real_parts/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/**",
            "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt",
            "results/{run}/checkpoints/pretrain/{dataset}/{reference}/seed{seed}.pt",
        ),
    output:
        multiext("results/{run}/metrics/real_parts/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/real_parts/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/real_parts/{dataset}/{variant}/seed{seed}.tsv"
    # CIFAR-100 on the CPU: 1.5 GB and two minutes
    resources:
        mem_mb=4000,
        runtime="4h",
    message:
        "Measure the parts of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
