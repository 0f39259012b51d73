rule reconstruct:
    input:
        data=multiext("data/packed/{dataset}/", "test_images.npy", "manifest.json"),
        checkpoint=CHECKPOINT,
    output:
        METRICS["reconstruct"],
    log:
        "logs/{run}/reconstruct/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/reconstruct/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="4h",
        gpu=1,
    params:
        code=code_of("reconstruct"),
        cfg=config_of("reconstruct"),
        wanted=wanted_inputs,
    message:
        "PSNR and SSIM of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli reconstruct --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --metrics {output:q} --threads {threads}"


# Ends well without the weights too, and says why they are missing: the other cells of Table 7 do not need them.
rule inception:
    output:
        "data/inception.json",
    log:
        "logs/data/inception.log",
    threads: 1
    resources:
        mem_mb=500,
        runtime="1h",
    params:
        code=code_of("inception"),
        cfg=config_of("inception"),
    message:
        "Weights of FID's Inception network"
    shell:
        "python -m patchvae.cli inception --log {log:q} --config {params.cfg:q} --out {output:q}"


rule fid:
    input:
        data=multiext("data/packed/{dataset}/", "test_images.npy", "manifest.json"),
        checkpoint=CHECKPOINT,
        inception="data/inception.json",
    output:
        METRICS["fid"],
    log:
        "logs/{run}/fid/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/fid/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=6000,
        runtime="1d",
        gpu=1,
    params:
        code=code_of("fid"),
        cfg=config_of("fid"),
        wanted=wanted_inputs,
    message:
        "FID of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli fid --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q} --inception {input.inception:q}"
        " --metrics {output:q} --threads {threads}"


rule parts:
    input:
        data=multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "train_occurrence.npy",
            "test_images.npy",
            "test_labels.npy",
            "test_occurrence.npy",
            "manifest.json",
        ),
        checkpoint=CHECKPOINT,
    output:
        METRICS["parts"],
    log:
        "logs/{run}/parts/{dataset}/{variant}/seed{seed}.log",
    wildcard_constraints:
        dataset=names(PARAMS["data"]["scenes"]),
    threads: 1
    resources:
        mem_mb=3000,
        runtime="1h",
    params:
        code=code_of("parts"),
        cfg=config_of("parts"),
        wanted=wanted_inputs,
    message:
        "Score the parts of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli score-parts --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --metrics {output:q} --threads {threads}"
