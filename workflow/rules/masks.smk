rule masks:
    input:
        code=code_of("masks"),
        images="data/packed/{dataset}/train_images.npy",
        manifest="data/packed/{dataset}/manifest.json",
    output:
        masks="data/masks/{dataset}/train.npy",
        manifest="data/masks/{dataset}/manifest.json",
    log:
        "logs/data/masks/{dataset}.log",
    threads: 1
    resources:
        mem_mb=3000,
        runtime="4h",
    params:
        cfg=config_of("masks"),
    message:
        "Weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli masks --log {log:q} --config {params.cfg:q}"
        " --images {input.images:q} --out {output.masks:q}"
