rule finetune:
    input:
        unpack(inputs_of("finetune")),
        rates=rate_files,
    output:
        **outputs_of("finetune"),
    log:
        "logs/{run}/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.tsv"
    threads: 1
    # CIFAR-100 on the CPU: at most 1.4 GB, and 40 minutes for 90 epochs; see `pretrain` for the rest. The features of
    # frozen stages may take 4 GB more.
    resources:
        mem_mb=8000,
        runtime="1d",
        gpu=1,
    params:
        **told("finetune"),
        wanted=wanted_inputs,
    message:
        "Fine-tune {wildcards.variant} on {wildcards.dataset}, {wildcards.regime}, head {wildcards.head}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli finetune --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --pretrained {input.pretrained:q} --rates {input.rates:q}"
        " --metrics {output:q} --scratch scratch --threads {threads}"
        " --live logs/{wildcards.run:q}/live/finetune/"
        "{wildcards.table:q}/{wildcards.regime:q}/{wildcards.head:q}/{wildcards.variant:q}/{wildcards.dataset:q}/seed{wildcards.seed}"


rule rates:
    input:
        unpack(inputs_of("rates")),
    output:
        **outputs_of("rates"),
    log:
        "logs/{run}/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.tsv"
    threads: 1
    # Five to nine trainings, one after the other; each as one of `finetune`.
    resources:
        mem_mb=8000,
        runtime="2d",
        gpu=1,
    params:
        **told("rates"),
        wanted=wanted_inputs,
    message:
        "Choose the rate of head {wildcards.head} on {wildcards.variant}, {wildcards.dataset}, {wildcards.regime}"
    shell:
        "python -m patchvae.cli rates --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --pretrained {input.pretrained:q}"
        " --metrics {output:q} --scratch scratch --threads {threads}"
        " --live logs/{wildcards.run:q}/live/rates/"
        "{wildcards.regime:q}/{wildcards.head:q}/{wildcards.variant:q}/{wildcards.dataset:q}/seed{wildcards.seed}"


rule probe:
    input:
        unpack(inputs_of("probe")),
    output:
        **outputs_of("probe"),
    log:
        "logs/{run}/probe/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/probe/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # CIFAR-100 on the CPU: at most 1.3 GB and 3 minutes. It has no state to go on from, so it gets more.
    resources:
        mem_mb=4000,
        runtime="4h",
        gpu=1,
    params:
        **told("probe"),
        wanted=wanted_inputs,
    message:
        "Linear probe of {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli probe --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --pretrained {input.pretrained:q}"
        " --metrics {output:q} --threads {threads}"


rule few_labels:
    input:
        unpack(inputs_of("few_labels")),
    output:
        **outputs_of("few_labels"),
    log:
        "logs/{run}/few_labels/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/few_labels/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # CIFAR-100 on the CPU: at most 4 GB, and ten minutes of one core.
    resources:
        mem_mb=6000,
        runtime="4h",
        gpu=1,
    params:
        **told("few_labels"),
        wanted=wanted_inputs,
    message:
        "Few labels of {wildcards.dataset} on {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli few-labels --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --pretrained {input.pretrained:q}"
        " --metrics {output:q} --threads {threads}"


rule few_labels_pixels:
    input:
        unpack(inputs_of("few_labels_pixels")),
    output:
        **outputs_of("few_labels_pixels"),
    log:
        "logs/{run}/few_labels/{dataset}/{floor}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/few_labels/{dataset}/{floor}/seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=6000,
        runtime="4h",
        gpu=1,
    params:
        **told("few_labels_pixels"),
        wanted=wanted_inputs,
    message:
        "Few labels of {wildcards.dataset} on {wildcards.floor}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli few-labels --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --metrics {output:q} --threads {threads}"
