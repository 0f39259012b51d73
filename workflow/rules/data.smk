# Data are common to all runs. The archives may not be passed on and stay in data/raw, which no rule declares; the JSON file
# holds their names, sizes and checksums.
rule download:
    input:
        unpack(inputs_of("jobs/{run}/download/{dataset}.json")),
    output:
        "data/sources/{dataset}.json",
        "data/sources/{dataset}.record",
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


rule prepare:
    input:
        unpack(inputs_of("jobs/{run}/prepare/{dataset}.json", "data/sources/{source}.json")),
    output:
        "data/packed/{dataset}/manifest.json",
        "data/packed/{dataset}/manifest.record",
        "data/packed/{dataset}/train_images.npy",
        "data/packed/{dataset}/test_images.npy",
        "data/packed/{dataset}/train_labels.npy",
        "data/packed/{dataset}/test_labels.npy",
    log:
        "logs/data/prepare/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("prepare"),
    conda:
        "../envs/patchvae.yaml"
    threads: 8
    # `python benchmarks/preparing.py`: 50 MB, however many images; 4,000 for the 2.5 million names of Places205
    resources:
        mem_mb=4000,
        runtime="1d",
    message:
        "Pack {wildcards.dataset} into arrays"
    shell:
        RUN


# Drawn from scikit-learn's handwritten digits, so without any file to read
rule digit_scenes:
    input:
        unpack(inputs_of("jobs/{run}/digit_scenes/{dataset}.json")),
    output:
        "data/packed/{dataset}/manifest.json",
        "data/packed/{dataset}/manifest.record",
        "data/packed/{dataset}/train_images.npy",
        "data/packed/{dataset}/test_images.npy",
        "data/packed/{dataset}/train_labels.npy",
        "data/packed/{dataset}/test_labels.npy",
        "data/packed/{dataset}/train_occurrence.npy",
        "data/packed/{dataset}/test_occurrence.npy",
    log:
        "logs/data/digit_scenes/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/digit_scenes/{dataset}.tsv"
    wildcard_constraints:
        dataset=names("digit_scenes"),
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=1000,
        runtime="10m",
    message:
        "Draw the digit scenes of {wildcards.dataset}"
    shell:
        RUN


rule masks:
    input:
        unpack(
            inputs_of(
                "jobs/{run}/masks/{dataset}.json",
                "data/packed/{dataset}/train_images.npy",
                "data/packed/{dataset}/manifest.json",
            )
        ),
    output:
        "data/masks/{dataset}/train.npy",
        "data/masks/{dataset}/train.record",
        "data/masks/{dataset}/manifest.json",
    log:
        "logs/data/masks/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/masks/{dataset}.tsv"
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=3000,
        runtime="4h",
    message:
        "Weight masks of {wildcards.dataset}"
    shell:
        RUN


# Ends well without the weights, too; the JSON file then says why, and the FIDs of Table 7 stay empty.
rule inception:
    input:
        unpack(inputs_of("jobs/{run}/inception.json")),
    output:
        "data/inception.json",
        "data/inception.record",
    log:
        "logs/data/inception.log",
    benchmark:
        "logs/data/benchmarks/inception.tsv"
    localrule: True
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=500,
        runtime="1h",
    message:
        "Weights of FID's Inception network"
    shell:
        RUN
