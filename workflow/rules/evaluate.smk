rule reconstruct:
    input:
        unpack(inputs_of("reconstruct")),
    output:
        **outputs_of("reconstruct"),
    log:
        "logs/{run}/reconstruct/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/reconstruct/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # In small: at most 1.0 GB and a minute. ImageNet is not measured.
    resources:
        mem_mb=4000,
        runtime="4h",
        gpu=1,
    params:
        **told("reconstruct"),
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
        **outputs_of("inception"),
    log:
        "logs/data/inception.log",
    benchmark:
        "logs/data/benchmarks/inception.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime="1h",
    params:
        **told("inception"),
    message:
        "Weights of FID's Inception network"
    shell:
        "python -m patchvae.cli inception --log {log:q} --config {params.cfg:q} --out {output:q}"


rule fid:
    input:
        unpack(inputs_of("fid")),
    output:
        **outputs_of("fid"),
    log:
        "logs/{run}/fid/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/fid/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # Not measured with the real weights
    resources:
        mem_mb=6000,
        runtime="1d",
        gpu=1,
    params:
        **told("fid"),
        wanted=wanted_inputs,
    message:
        "FID of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli fid --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q} --inception {input.inception:q}"
        " --metrics {output:q} --threads {threads}"


rule parts:
    input:
        unpack(inputs_of("parts")),
    output:
        **outputs_of("parts"),
    log:
        "logs/{run}/parts/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/parts/{dataset}/{variant}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=names(PARAMS["data"]["scenes"]),
    threads: 1
    resources:
        mem_mb=3000,
        runtime="1h",
    params:
        **told("parts"),
        wanted=wanted_inputs,
    message:
        "Score the parts of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli score-parts --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q}"
        " --metrics {output:q} --threads {threads}"


rule real_parts:
    input:
        unpack(inputs_of("real_parts")),
    output:
        **outputs_of("real_parts"),
    log:
        "logs/{run}/real_parts/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/real_parts/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # CIFAR-100 on the CPU: 1.5 GB and two minutes
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        **told("real_parts"),
        wanted=wanted_inputs,
    message:
        "Measure the parts of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli real-parts --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --checkpoint {input.checkpoint:q} --reference {input.reference:q}"
        " --metrics {output:q} --threads {threads}"
