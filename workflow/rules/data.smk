# The archives themselves may not be passed on and stay in data/raw, which no rule declares; the record says what they were.
rule download:
    output:
        **outputs_of("download"),
    log:
        "logs/data/download/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/download/{dataset}.tsv"
    wildcard_constraints:
        dataset=names(PARAMS["data"]["archives"]),
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime="1d",
    params:
        **told("download"),
    message:
        "Download {wildcards.dataset}"
    shell:
        "python -m patchvae.cli download --log {log:q} --config {params.cfg:q}"
        " --raw-dir data/raw/{wildcards.dataset:q} --out {output:q}"


rule prepare:
    input:
        unpack(inputs_of("prepare")),
    output:
        **outputs_of("prepare"),
    log:
        "logs/data/prepare/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=names(PARAMS["data"]["archives"] + PARAMS["data"]["shared"]["datasets"]),
    threads: 8
    # `python benchmarks/preparing.py`: 50 MB, however many images; the rest is for Places205's names
    resources:
        mem_mb=4000,
        runtime="1d",
    params:
        **told("prepare"),
        source_set=source_set_of,
    message:
        "Pack {wildcards.dataset} into arrays"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q} --threads {threads}"
        " --sources {input.sources:q} --raw-dir data/raw/{params.source_set:q} --out-dir data/packed/{wildcards.dataset:q}"


rule digit_scenes:
    output:
        **outputs_of("digit_scenes"),
    log:
        "logs/data/digit_scenes/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/digit_scenes/{dataset}.tsv"
    wildcard_constraints:
        dataset=names(PARAMS["data"]["scenes"]),
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        **told("digit_scenes"),
    message:
        "Draw the digit scenes of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli prepare --log {log:q} --config {params.cfg:q}"
        " --out-dir data/packed/{wildcards.dataset:q}"
