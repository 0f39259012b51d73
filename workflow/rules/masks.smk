rule masks:
    input:
        images="data/packed/{dataset}/train_images.npy",
        manifest="data/packed/{dataset}/manifest.json",
    output:
        masks="data/masks/{dataset}/train.npy",
        record="data/masks/{dataset}/record.json",
    log:
        "logs/data/masks/{dataset}.log",
    threads: 1
    resources:
        mem_mb=3000,
        runtime="4h",
    params:
        code=code_of("masks"),
        cfg=config_of("masks"),
        wanted=wanted_inputs,
    message:
        "Weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli masks --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --images {input.images:q} --out {output.masks:q}"
