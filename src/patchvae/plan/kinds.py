"""Every kind of job but the reports (reports.py): what it is made from, what it makes, and which jobs of it there are.

The rule of a kind in workflow/rules says besides how the job is run. Its configuration is `resolve(params, RULE,
wildcards)`. In texts, `{dataset}`, `{seed}`... are the job's own, `{block.key}` is a value of params.yaml.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from patchvae.params.measuring import FLOORS
from patchvae.params.variants import SUFFIXES

Wildcards = Mapping[str, Any]
Files = str | list[str]  # one file, or several


class Kind(NamedTuple):
    """What is the same for all jobs of a rule.

    module: the jobs depend on its source file and on all that it imports; inputs, outputs: by the rule's name for them.
    An engine asks for a job by its first output.
    """

    module: str
    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]


class Stage(NamedTuple):
    """Jobs of a rule that the same keys of params.yaml list: one stage of dvc.yaml.

    each: by name, the key of a list, or the values themselves, with a job for each combination; names: what other names
    in the kind's texts stand for; inputs: by name, files that other jobs of the rule do without. With `{key}` in its
    name it is a stage for each swept key, which gives `key` and `value` in `each`.
    """

    rule: str
    each: Mapping[str, Files]
    names: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}


# ---- files

SPLITS = ("train", "test")
IMAGES, LABELS, OCCURRENCE = (
    [f"data/packed/{{dataset}}/{split}_{what}.npy" for split in SPLITS] for what in ("images", "labels", "occurrence")
)
MANIFEST, MASKS = "data/packed/{dataset}/manifest.json", "data/masks/{dataset}/train.npy"
MASKS_MANIFEST = "data/masks/{dataset}/manifest.json"
DATA = [*IMAGES, *LABELS, MANIFEST]
SCENES = [*IMAGES, *LABELS, *OCCURRENCE, MANIFEST]
CHECKPOINT = "results/{run}/checkpoints/pretrain/{dataset}/{variant}/seed{seed}.pt"
PHI = "results/{run}/checkpoints/pretrain/{phi_dataset}/{phi_variant}/seed{seed}.pt"
DRAWN = "results/{run}/checkpoints/pretrain/{dataset}/{figures.variant}/seed{seeds.0}.pt"
REFERENCE = "results/{run}/checkpoints/pretrain/{dataset}/{real_parts.reference}/seed{seed}.pt"
METRICS = {
    rule: f"results/{{run}}/metrics/{rule}/{{dataset}}/{{variant}}/seed{{seed}}.json"
    for rule in ("pretrain", "probe", "few_labels", "reconstruct", "fid", "parts", "real_parts")
} | {
    "finetune": "results/{run}/metrics/finetune/{table}/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
    "rates": "results/{run}/metrics/rates/{regime}/{head}/{variant}/{dataset}/seed{seed}.json",
    "few_labels_pixels": "results/{run}/metrics/few_labels/{dataset}/{floor}/seed{seed}.json",
}
# The rate of a head whose lr is `chosen`: that of the first seed
RATES = METRICS["rates"].replace("{seed}", "{seeds.0}")
METRICS_DRAWN = "results/{run}/metrics/real_parts/{dataset}/{real_parts.variant}/seed{seeds.0}.json"


def table(name: str) -> dict[str, Files]:
    """The four files of a table."""
    return {kind: f"results/{{run}}/tables/{name}.{kind}" for kind in ("csv", "md", "tex", "html")}


def figure(name: str) -> dict[str, Files]:
    """The two files of a figure."""
    return {kind: f"results/{{run}}/figures/{name}.{kind}" for kind in ("png", "pdf")}


# ---- kinds of jobs


# Figures of one PatchVAE, and the modules that draw them
PARTS_FIGURES = {
    "figure1": "patchvae.report.figures.teaser",
    "figure3": "patchvae.report.figures.occurrence_maps",
    "figure4": "patchvae.report.figures.gallery",
    "figure5": "patchvae.report.figures.appearance_swap",
}


def on_phi(module: str, rule: str) -> Kind:
    """A kind of job on the phi of a pretraining."""
    return Kind(module, {"data": DATA, "pretrained": PHI}, {"metrics": METRICS[rule]})


def measurement(module: str, rule: str, data: list[str], **more: str) -> Kind:
    """A kind of job that measures pretrained models."""
    inputs: dict[str, Files] = {"data": data, "checkpoint": CHECKPOINT, **more}
    return Kind(f"patchvae.evaluation.{module}", inputs, {"metrics": METRICS[rule]})


KINDS = {
    "download": Kind("patchvae.data.sources", {}, {"out": "data/sources/{dataset}.json"}),
    "prepare": Kind(
        "patchvae.data.prepare", {"sources": "data/sources/{source}.json"}, {"packed": [MANIFEST, *IMAGES, *LABELS]}
    ),
    "digit_scenes": Kind("patchvae.data.prepare", {}, {"packed": [MANIFEST, *SCENES[:-1]]}),
    "masks": Kind(
        "patchvae.data.masks", {"images": IMAGES[0], "manifest": MANIFEST}, {"masks": MASKS, "manifest": MASKS_MANIFEST}
    ),
    "pretrain": Kind(
        "patchvae.training.pretrain",
        {"images": IMAGES[0], "manifest": MANIFEST},  # and, by their stage, masks or labels
        {"checkpoint": CHECKPOINT, "metrics": METRICS["pretrain"]},
    ),
    "finetune": on_phi("patchvae.training.finetune", "finetune"),
    "rates": on_phi("patchvae.training.rates", "rates"),
    "probe": on_phi("patchvae.evaluation.probe", "probe"),
    "few_labels": on_phi("patchvae.evaluation.few_labels", "few_labels"),
    "few_labels_pixels": Kind(
        "patchvae.evaluation.few_labels", {"data": DATA}, {"metrics": METRICS["few_labels_pixels"]}
    ),
    "reconstruct": measurement("reconstruction", "reconstruct", [IMAGES[1], MANIFEST]),
    "inception": Kind("patchvae.data.inception", {}, {"out": "data/inception.json"}),
    "fid": measurement("fid", "fid", [IMAGES[1], MANIFEST], inception="data/inception.json"),
    "parts": measurement("parts", "parts", SCENES),
    "real_parts": measurement("real_parts", "real_parts", DATA, reference=REFERENCE),
    "figure_masks": Kind("patchvae.report.figures.weight_masks", {"images": IMAGES[1]}, figure("figure6_{dataset}")),
    # A module for each figure, in PARTS_FIGURES
    "figure_parts": Kind("", {"data": DATA, "checkpoint": DRAWN}, figure("{figure}_{dataset}")),
    "figure_real_parts": Kind(
        "patchvae.report.figures.real_parts",
        {"data": [IMAGES[1], MANIFEST], "measured": METRICS_DRAWN},
        figure("real_parts_{dataset}"),
    ),
}

# ---- which jobs there are


def of(block: str, *names: str) -> dict[str, Files]:
    """Lists of a block, by name."""
    return {name: f"{block}.{name}s" for name in names}


def trained(datasets: Files, bases: str, suffix: str = "", **inputs: str) -> Stage:
    """Pretrainings of variants, whose rows have the suffix in their names."""
    return Stage(
        "pretrain", {"dataset": datasets, "base": bases, "seed": "seeds"}, {"variant": "{base}" + suffix}, inputs
    )


def objective(table: str, name: str) -> Stage:
    """Pretrainings of a list of `objectives`."""
    inputs = {"masks": MASKS, "masks_manifest": MASKS_MANIFEST} if "lw" in name else {}
    if name == "labels":
        inputs = {"labels": LABELS[0]}
    return trained(f"{table}.datasets", f"{table}.objectives.{name}", SUFFIXES[name], **inputs)


def classified(rule: str, each: Mapping[str, Files], **names: str) -> Stage:
    """Linear probes or fine-tunings, of the phi of their own data set and variant unless it is said."""
    phi = {"phi_dataset": "{dataset}", "phi_variant": "{variant}"}
    return Stage(rule, {**each, "seed": each.get("seed", "seeds")}, phi | names)


def tuned(table: str, each: Mapping[str, Files], **names: str) -> Stage:
    """Fine-tunings for a table."""
    return classified("finetune", each, table=table, **names)


TABLE1 = of("table1", "regime", "head", "variant", "dataset")
TABLE2 = {"regime": ["{table2.regime}"], "head": ["{table2.head}"], **of("table2", "variant", "dataset")}
TABLE7 = {"dataset": "table2.datasets", "variant": "table7.variants", "seed": "seeds"}
SHORTENED: Mapping[str, str] = {"variant": "{row}.epochs={epoch}", "phi_variant": "{row}"}
SCALE_FREE = of("scale_free", "variant", "dataset")
SWEPT = "{ablation_base.variant}.{key}={value}"
FIGURES = of("figures", "dataset")

STAGES = {
    "download": Stage("download", {"dataset": "data.archives"}),
    "prepare": Stage("prepare", {"dataset": "data.archives"}, {"source": "{dataset}"}),
    "prepare_shared": Stage("prepare", of("data.shared", "dataset"), {"source": "{data.shared.sources}"}),
    "digit_scenes": Stage("digit_scenes", {"dataset": "data.scenes"}),
    "masks": Stage("masks", {"dataset": "data.weighted"}),
    "pretrain": objective("table1", "plain"),
    "pretrain_lw": objective("table1", "lw"),
    "pretrain_gan": objective("table1", "gan"),
    "pretrain_gan_lw": objective("table1", "gan+lw"),
    "pretrain_bigan": objective("table1", "bigan"),
    "pretrain_none": objective("table1", "none"),  # the controls: phi at its initial weights
    "pretrain_labels": trained(["{table1.labelled.dataset}"], "table1.labelled.variants", labels=LABELS[0]),
    "pretrain_own_labels": objective("table1", "labels"),  # the positive control, and its labels dealt out at random
    "pretrain_parts": trained("parts.pretrained", "parts.variants"),  # for the score of part discovery alone
    "pretrain_table2": objective("table2", "plain"),
    "pretrain_table2_lw": objective("table2", "lw"),
    "pretrain_table2_none": objective("table2", "none"),
    "pretrain_{key}": Stage(
        "pretrain",
        {"dataset": "ablation_base.datasets", "value": "", "seed": "seeds"},
        {"base": "{ablation_base.variant}", "variant": SWEPT},
    ),
    "finetune": tuned("table1", TABLE1),
    "finetune_labels": tuned(
        "table1", TABLE1 | of("table1.labelled", "variant"), phi_dataset="{table1.labelled.dataset}"
    ),
    "finetune_table2": tuned("table2", TABLE2),
    "finetune_table2_supervised": tuned("table2", TABLE2 | {"regime": ["none"], "variant": "table2.supervised"}),
    "finetune_{key}": tuned(
        "{key}",
        {"key": "", "value": "", "head": ["{ablation_base.head}"], **of("ablation_base", "dataset")},
        regime="{ablation_base.regime}",
        variant=SWEPT,
    ),
    "finetune_lengths": tuned(
        "lengths",
        {"epoch": "pretrain.snapshots", "head": "lengths.heads", "row": "lengths.variants", **of("lengths", "dataset")},
        regime="{lengths.regime}",
        **SHORTENED,
    ),
    "finetune_sensitivity": tuned(
        "sensitivity",
        of("sensitivity", "head", "variant", "dataset") | {"seed": ["{seeds.0}"]},
        regime="{sensitivity.regime}",
    ),
    "finetune_scale_free": tuned("scale_free", SCALE_FREE | {"head": "scale_free.heads"}, regime="{scale_free.regime}"),
    "rates": classified(
        "rates", SCALE_FREE | {"head": "scale_free.tuned", "seed": ["{seeds.0}"]}, regime="{scale_free.regime}"
    ),
    "finetune_tuned": tuned(
        "scale_free", SCALE_FREE | {"head": "scale_free.tuned"}, regime="{scale_free.regime}"
    )._replace(inputs={"rates": RATES}),
    "probe": classified("probe", of("probe", "variant", "dataset")),
    "probe_lengths": classified(
        "probe", {"epoch": "pretrain.snapshots", "row": "lengths.variants", **of("lengths", "dataset")}, **SHORTENED
    ),
    "few_labels": classified("few_labels", of("few_labels", "variant", "dataset") | {"seed": ["{seeds.0}"]}),
    "few_labels_pixels": Stage(
        "few_labels_pixels", {**of("few_labels", "dataset"), "floor": [*FLOORS], "seed": ["{seeds.0}"]}
    ),
    "reconstruct": Stage("reconstruct", TABLE7),
    "inception": Stage("inception", of("table2", "dataset")),  # once, where there is a Table 7
    "fid": Stage("fid", TABLE7),
    "parts": Stage("parts", {**of("parts", "dataset", "variant"), "seed": "seeds"}),
    "real_parts": Stage(
        "real_parts", {**of("real_parts", "dataset"), "variant": ["{real_parts.variant}"], "seed": "seeds"}
    ),
    "figure_masks": Stage("figure_masks", FIGURES),
    "figure_parts": Stage("figure_parts", {**FIGURES, "figure": [*PARTS_FIGURES]}),
    "figure_real_parts": Stage("figure_real_parts", of("real_parts", "dataset")),
}
