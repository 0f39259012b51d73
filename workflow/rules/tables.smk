# Tables, and the figures that are drawn with them. A table reads one metrics file for each of its cells and seeds, all of which
# its job's file lists. The rules take their environment, resources and command from `table1`. Snakemake's `use rule` passes on
# everything but `localrule`.
rule table1:
    input:
        inputs_of("jobs/{run}/tables/table1.json", "paper/table1.csv", "results/{run}/metrics/finetune/table1/**"),
    output:
        multiext("results/{run}/tables/table1", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/table1.html", "table1", "Classification", "Table 1"),
        "results/{run}/tables/table1_seeds.csv",
    log:
        "logs/{run}/tables/table1.log",
    benchmark:
        "logs/{run}/benchmarks/tables/table1.tsv"
    localrule: True
    conda:
        "../envs/patchvae.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    shell:
        RUN


use rule table1 as claims with:
    input:
        inputs_of("jobs/{run}/tables/claims.json", "paper/**", "results/{run}/metrics/finetune/table1/**"),
    output:
        multiext("results/{run}/tables/claims", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/claims.html", "claims", "Classification", "Claims"),
        "results/{run}/tables/answer.md",
        shown("results/{run}/figures/answer.png", "claims_figure", "Classification", "Claims"),
        "results/{run}/figures/answer.pdf",
    log:
        "logs/{run}/tables/claims.log",
    benchmark:
        "logs/{run}/benchmarks/tables/claims.tsv"
    localrule: True


use rule table1 as decision with:
    input:
        inputs_of(
            "jobs/{run}/tables/decision.json",
            "paper/**",
            "results/{run}/metrics/finetune/scale_free/**",
            "results/{run}/metrics/probe/**",
        ),
    output:
        multiext("results/{run}/tables/decision", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/decision.html", "decision", "Classification", "Decision"),
        "results/{run}/tables/decision_answer.md",
    log:
        "logs/{run}/tables/decision.log",
    benchmark:
        "logs/{run}/benchmarks/tables/decision.tsv"
    localrule: True


use rule table1 as probe_table with:
    input:
        inputs_of("jobs/{run}/tables/probe_{dataset}.json", "results/{run}/metrics/probe/{dataset}/**"),
    output:
        multiext("results/{run}/tables/probe_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/probe_{dataset}.html", "probe_table", "Classification", "Linear probe"),
    log:
        "logs/{run}/tables/probe_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/probe_{dataset}.tsv"
    localrule: True


use rule table1 as few_labels_table with:
    input:
        inputs_of("jobs/{run}/tables/few_labels_{dataset}.json", "results/{run}/metrics/few_labels/{dataset}/**"),
    output:
        multiext("results/{run}/tables/few_labels_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/few_labels_{dataset}.html", "few_labels_table", "Classification", "Few labels"),
    log:
        "logs/{run}/tables/few_labels_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/few_labels_{dataset}.tsv"
    localrule: True


use rule table1 as lengths with:
    input:
        inputs_of(
            "jobs/{run}/tables/lengths_{dataset}.json",
            "results/{run}/metrics/finetune/lengths/**",
            "results/{run}/metrics/finetune/table1/{regime}/**",
            "results/{run}/metrics/probe/{dataset}/**",
        ),
    output:
        multiext("results/{run}/tables/lengths_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/lengths_{dataset}.html", "lengths", "Classification", "Length of pretraining"),
        shown(
            "results/{run}/figures/lengths_{dataset}.png", "lengths_figure", "Classification", "Length of pretraining"
        ),
        "results/{run}/figures/lengths_{dataset}.pdf",
    log:
        "logs/{run}/tables/lengths_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/lengths_{dataset}.tsv"
    localrule: True


use rule table1 as sensitivity with:
    input:
        inputs_of(
            "jobs/{run}/tables/sensitivity_{dataset}.json",
            "results/{run}/metrics/finetune/sensitivity/**",
            "results/{run}/metrics/finetune/table1/{regime}/**",
        ),
    output:
        multiext("results/{run}/tables/sensitivity_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/sensitivity_{dataset}.html", "sensitivity", "Classification", "Open choices"),
    log:
        "logs/{run}/tables/sensitivity_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/sensitivity_{dataset}.tsv"
    localrule: True


use rule table1 as scale_free with:
    input:
        inputs_of(
            "jobs/{run}/tables/scale_free_{dataset}.json",
            "results/{run}/metrics/finetune/scale_free/**",
            "results/{run}/metrics/rates/**",
        ),
    output:
        multiext("results/{run}/tables/scale_free_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/scale_free_{dataset}.html", "scale_free", "Classification", "Heads without scale"),
    log:
        "logs/{run}/tables/scale_free_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/scale_free_{dataset}.tsv"
    localrule: True


use rule table1 as table2 with:
    input:
        inputs_of("jobs/{run}/tables/table2.json", "paper/table2.csv", "results/{run}/metrics/finetune/table2/**"),
    output:
        multiext("results/{run}/tables/table2", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/table2.html", "table2", "Classification", "Table 2"),
    log:
        "logs/{run}/tables/table2.log",
    benchmark:
        "logs/{run}/benchmarks/tables/table2.tsv"
    localrule: True


use rule table1 as sweep with:
    input:
        inputs_of(
            "jobs/{run}/tables/sweep_{key}.json",
            "paper/sweep_{key}.csv",
            "results/{run}/metrics/finetune/{key}/**",
            "results/{run}/metrics/finetune/table1/{regime}/{head}/{variant}/**",
        ),
    output:
        multiext("results/{run}/tables/sweep_{key}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/sweep_{key}.html", "sweep", "Ablations", "Sweep of {key}"),
        shown("results/{run}/figures/sweep_{key}.png", "sweep_figure", "Ablations", "Sweep of {key}"),
        "results/{run}/figures/sweep_{key}.pdf",
    log:
        "logs/{run}/tables/sweep_{key}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/sweep_{key}.tsv"
    localrule: True


use rule table1 as table7 with:
    input:
        inputs_of(
            "jobs/{run}/tables/table7.json",
            "paper/table7.csv",
            "results/{run}/metrics/reconstruct/**",
            "results/{run}/metrics/fid/**",
        ),
    output:
        multiext("results/{run}/tables/table7", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/table7.html", "table7", "Reconstruction", "Table 7"),
    log:
        "logs/{run}/tables/table7.log",
    benchmark:
        "logs/{run}/benchmarks/tables/table7.tsv"
    localrule: True


use rule table1 as parts_table with:
    input:
        inputs_of("jobs/{run}/tables/parts.json", "results/{run}/metrics/parts/**"),
    output:
        multiext("results/{run}/tables/parts", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/parts.html", "parts_table", "Parts", "Part discovery"),
    log:
        "logs/{run}/tables/parts.log",
    benchmark:
        "logs/{run}/benchmarks/tables/parts.tsv"
    localrule: True


use rule table1 as real_parts_table with:
    input:
        inputs_of("jobs/{run}/tables/real_parts_{dataset}.json", "results/{run}/metrics/real_parts/{dataset}/**"),
    output:
        multiext("results/{run}/tables/real_parts_{dataset}", ".csv", ".md", ".tex", ".record"),
        shown("results/{run}/tables/real_parts_{dataset}.html", "real_parts_table", "Parts", "Parts on photographs"),
    log:
        "logs/{run}/tables/real_parts_{dataset}.log",
    benchmark:
        "logs/{run}/benchmarks/tables/real_parts_{dataset}.tsv"
    localrule: True


use rule table1 as parameter_tables with:
    input:
        inputs_of("jobs/{run}/tables/table8.json", "paper/parameter_counts.csv"),
    output:
        expand("results/{{run}}/tables/table{number}.{kind}", number=range(8, 13), kind=["csv", "md", "tex"]),
        "results/{run}/tables/table8.record",
        report(
            expand("results/{{run}}/tables/table{number}.html", number=range(8, 13)),
            caption="../report/parameter_tables.rst",
            category="Parameter counts",
        ),
    log:
        "logs/{run}/tables/table8.log",
    benchmark:
        "logs/{run}/benchmarks/tables/table8.tsv"
    localrule: True


# What `dvc metrics` and `dvc exp show` compare
use rule table1 as summary with:
    input:
        inputs_of("jobs/{run}/summary.json", "results/{run}/tables/**"),
    output:
        multiext("results/{run}/summary", ".json", ".record"),
    log:
        "logs/{run}/summary.log",
    benchmark:
        "logs/{run}/benchmarks/summary.tsv"
    localrule: True


# What `dvc plots` draws
use rule table1 as curves with:
    input:
        inputs_of(
            "jobs/{run}/curves/pretrain.json",
            "results/{run}/metrics/pretrain/**",
            "results/{run}/metrics/finetune/**",
        ),
    output:
        multiext("results/{run}/curves/pretrain", ".csv", ".record"),
        "results/{run}/curves/finetune.csv",
    log:
        "logs/{run}/curves/pretrain.log",
    benchmark:
        "logs/{run}/benchmarks/curves/pretrain.tsv"
    localrule: True
