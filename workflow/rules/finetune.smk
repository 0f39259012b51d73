rule finetune:
    input:
        data=multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "test_images.npy",
            "test_labels.npy",
            "manifest.json",
        ),
        pretrained=pretrained_checkpoint,
    output:
        METRICS["finetune"],
    log:
        "logs/{run}/finetune/{table}/{regime}/{variant}/{dataset}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/finetune/{table}/{regime}/{variant}/{dataset}/seed{seed}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime="7d",
        gpu=1,
    params:
        code=code_of("finetune"),
        cfg=config_of("finetune"),
        wanted=wanted_inputs,
    message:
        "Fine-tune {wildcards.variant} on {wildcards.dataset}, {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "python -m patchvae.cli finetune --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --data data/packed/{wildcards.dataset:q} --pretrained {input.pretrained:q}"
        " --metrics {output:q} --scratch scratch --threads {threads}"
        " --live logs/{wildcards.run:q}/live/finetune/"
        "{wildcards.table:q}/{wildcards.regime:q}/{wildcards.variant:q}/{wildcards.dataset:q}/seed{wildcards.seed}"
