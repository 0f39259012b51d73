rule download:
    input:
        code=code_of("patchvae.data.sources"),
    output:
        "data/raw/{dataset}/{name}",
    log:
        "logs/data/download/{dataset}/{name}.log",
    threads: 1
    resources:
        mem_mb=500,
        runtime="1d",
    params:
        cfg=config_of("download"),
    message:
        "Download {wildcards.name} of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli download --log {log:q} --config {params.cfg:q} --out {output:q}"


rule prepare:
    input:
        code=code_of("patchvae.data.prepare"),
        raw=raw_files,
    output:
        multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "test_images.npy",
            "test_labels.npy",
            "manifest.json",
        ),
    log:
        "logs/data/prepare/{dataset}.log",
    wildcard_constraints:
        dataset=datasets_of("cifar100", "indoor67", "places205", "imagenet", "folders", "lists"),
    threads: 8
    resources:
        mem_mb=4000,
        runtime="1d",
    params:
        cfg=config_of("prepare"),
        raw=raw_folder,
    message:
        "Pack {wildcards.dataset} into arrays"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q} --threads {threads}"
        " --raw-dir {params.raw:q} --out-dir data/packed/{wildcards.dataset:q}"


rule digit_scenes:
    input:
        code=code_of("patchvae.data.prepare"),
    output:
        multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "train_occurrence.npy",
            "test_images.npy",
            "test_labels.npy",
            "test_occurrence.npy",
            "manifest.json",
        ),
    log:
        "logs/data/digit_scenes/{dataset}.log",
    wildcard_constraints:
        dataset=datasets_of("digit-scenes"),
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        cfg=config_of("digit_scenes"),
    message:
        "Draw the digit scenes of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q}"
        " --out-dir data/packed/{wildcards.dataset:q}"
