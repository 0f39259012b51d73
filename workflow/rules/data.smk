# Data are common to all runs. The archives may not be passed on and stay in data/raw, which no rule declares; the file in
# data/sources holds their names, sizes and checksums.
rule download:
    input:
        inputs_of("jobs/{run}/download/{dataset}.json"),
    output:
        multiext("data/sources/{dataset}", ".json", ".record"),
    log:
        "logs/data/download/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/download/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("download"),
    localrule: True
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=500,
        runtime="1d",
    message:
        "Download {wildcards.dataset}"
    shell:
        RUN


use rule download as prepare with:
    input:
        inputs_of("jobs/{run}/prepare/{dataset}.json", "data/sources/{source}.json"),
    output:
        multiext("data/packed/{dataset}/manifest", ".json", ".record"),
        multiext("data/packed/{dataset}/train_", "images.npy", "labels.npy"),
        multiext("data/packed/{dataset}/test_", "images.npy", "labels.npy"),
    log:
        "logs/data/prepare/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("prepare"),
    threads: 8
    # By `python benchmarks/preparing.py` 50 MB, however many images, and 4,000 for the 2.5 million names of Places205
    resources:
        mem_mb=4000,
        runtime="1d",
    message:
        "Pack {wildcards.dataset} into arrays"


# Drawn from scikit-learn's handwritten digits, so without any file to read
use rule download as digit_scenes with:
    input:
        inputs_of("jobs/{run}/digit_scenes/{dataset}.json"),
    output:
        multiext("data/packed/{dataset}/manifest", ".json", ".record"),
        multiext("data/packed/{dataset}/train_", "images.npy", "labels.npy", "occurrence.npy"),
        multiext("data/packed/{dataset}/test_", "images.npy", "labels.npy", "occurrence.npy"),
    log:
        "logs/data/digit_scenes/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/digit_scenes/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("digit_scenes"),
    resources:
        mem_mb=1000,
        runtime="10m",
    message:
        "Draw the digit scenes of {wildcards.dataset}"


use rule download as masks with:
    input:
        inputs_of(
            "jobs/{run}/masks/{dataset}.json",
            "data/packed/{dataset}/train_images.npy",
            "data/packed/{dataset}/manifest.json",
        ),
    output:
        multiext("data/masks/{dataset}/train", ".npy", ".record"),
        "data/masks/{dataset}/manifest.json",
    log:
        "logs/data/masks/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/masks/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("masks"),
    resources:
        mem_mb=3000,
        runtime="4h",
    message:
        "Weight masks of {wildcards.dataset}"


# Ends well without the weights, too: data/inception.json then says why, and the FIDs of Table 7 stay empty.
use rule download as inception with:
    input:
        inputs_of("jobs/{run}/inception.json"),
    output:
        multiext("data/inception", ".json", ".record"),
    log:
        "logs/data/inception.log",
    benchmark:
        "logs/data/benchmarks/inception.tsv"
    localrule: True
    resources:
        mem_mb=500,
        runtime="1h",
    message:
        "Weights of FID's Inception network"
