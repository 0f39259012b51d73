# No rule declares scratch/ (states of interrupted trainings) and logs/RUN/live (curves to be watched), since Snakemake deletes
# a declared output before it tries a job again.
rule pretrain:
    input:
        inputs_of(
            "jobs/{run}/pretrain/{dataset}/{variant}/seed{seed}.json",
            "data/packed/{dataset}/train_images.npy",
            "data/packed/{dataset}/manifest.json",
            "data/masks/{dataset}/train.npy",  # if the loss is L_w
            "data/masks/{dataset}/manifest.json",  # if the loss is L_w
            "data/packed/{dataset}/train_labels.npy",  # if the pretraining is supervised
        ),
    output:
        "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt",
        multiext("results/{run}/metrics/pretrain/{dataset}/{variant}/seed{seed}", ".json", ".record"),
    log:
        "logs/{run}/pretrain/{dataset}/{variant}/seed{seed}.log",
    benchmark:
        "logs/{run}/benchmarks/pretrain/{dataset}/{variant}/seed{seed}.tsv"
    conda:
        "../envs/patchvae.yaml"
    # CIFAR-100 on the CPU: at most 0.9 GB, and 3 hours for 90 epochs. ImageNet and GPUs are not measured; a job that
    # runs into the limit saves its state, and the next one goes on.
    resources:
        mem_mb=4000,
        runtime="1d",
        gpu=1,
    message:
        "Pretrain {wildcards.variant} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        RUN
