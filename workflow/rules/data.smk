# The archives themselves may not be passed on and stay in data/raw, which no rule declares; the record says what they were.
rule download:
    output:
        "data/sources/{dataset}.json",
    log:
        "logs/data/download/{dataset}.log",
    wildcard_constraints:
        dataset=names(PARAMS["data"]["archives"]),
    threads: 1
    resources:
        mem_mb=500,
        runtime="1d",
    params:
        code=code_of("download"),
        cfg=config_of("download"),
    message:
        "Download {wildcards.dataset}"
    shell:
        "python -m patchvae.cli download --log {log:q} --config {params.cfg:q}"
        " --raw-dir data/raw/{wildcards.dataset:q} --out {output:q}"


rule prepare:
    input:
        sources=record_of_sources,
    output:
        multiext(
            "data/packed/{dataset}/",
            "train_images.npy",
            "train_labels.npy",
            "test_images.npy",
            "test_labels.npy",
            "manifest.json",
            "record.json",
        ),
    log:
        "logs/data/prepare/{dataset}.log",
    wildcard_constraints:
        dataset=names(PARAMS["data"]["archives"] + PARAMS["data"]["shared"]["datasets"]),
    threads: 8
    resources:
        mem_mb=4000,
        runtime="1d",
    params:
        code=code_of("prepare"),
        cfg=config_of("prepare"),
        source_set=source_set_of,
    message:
        "Pack {wildcards.dataset} into arrays"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q} --threads {threads}"
        " --sources {input.sources:q} --raw-dir data/raw/{params.source_set:q} --out-dir data/packed/{wildcards.dataset:q}"


rule digit_scenes:
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
            "record.json",
        ),
    log:
        "logs/data/digit_scenes/{dataset}.log",
    wildcard_constraints:
        dataset=names(PARAMS["data"]["scenes"]),
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        code=code_of("digit_scenes"),
        cfg=config_of("digit_scenes"),
    message:
        "Draw the digit scenes of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q}"
        " --out-dir data/packed/{wildcards.dataset:q}"
