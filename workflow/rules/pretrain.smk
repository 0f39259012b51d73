rule pretrain:
    input:
        unpack(inputs_of("pretrain")),
        masks=mask_files,
        labels=label_files,
    output:
        **outputs_of("pretrain"),
    log:
        "logs/{run}/pretrain/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/pretrain/{dataset}/{variant}/seed{seed}.tsv"
    threads: 1
    # CIFAR-100 on the CPU: at most 0.9 GB, and 3 hours for 90 epochs. ImageNet and GPUs are not measured; a job that
    # runs into the limit saves its state, and the next one goes on.
    resources:
        mem_mb=4000,
        runtime="1d",
        gpu=1,
    params:
        **told("pretrain"),
        wanted=wanted_inputs,
    message:
        "Pretrain {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    # An empty --masks means none. States of interrupted jobs live in scratch/, which no rule declares,
    # since Snakemake deletes a declared output before it tries again; so do the curves to be watched, in logs/.
    shell:
        "python -m patchvae.cli pretrain --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --masks {input.masks:q}"
        " --checkpoint {output.checkpoint:q} --metrics {output.metrics:q}"
        " --scratch scratch --threads {threads}"
        " --live logs/{wildcards.run:q}/live/pretrain/{wildcards.dataset:q}/{wildcards.variant:q}/seed{wildcards.seed}"
