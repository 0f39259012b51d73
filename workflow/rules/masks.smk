rule masks:
    input:
        unpack(inputs_of("masks")),
    output:
        **outputs_of("masks"),
    log:
        "logs/data/masks/{dataset}.log",
    benchmark:
        "logs/data/benchmarks/masks/{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime="4h",
    params:
        **told("masks"),
        wanted=wanted_inputs,
    message:
        "Weight masks of {wildcards.dataset}"
    shell:
        "python -m patchvae.cli masks --log {log:q} --config {params.cfg:q} --wanted {params.wanted}"
        " --images {input.images:q} --out {output.masks:q}"
