"""Every kind of job but the reports (reports.py): what it is made from, what it makes, and which jobs of it there are.

The rule of a kind in workflow/rules says besides how the job is run. Its configuration is `resolve(params, RULE,
wildcards)`. In texts, `{dataset}`, `{seed}`... are the job's own, `{block.key}` is a value of params.yaml.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from patchvae.config import Params
from patchvae.plan import FLOORS, PARTS_FIGURES
from patchvae.variants import SUFFIXES, pretrained, source_set

Wildcards = Mapping[str, Any]
Files = str | list[str]  # one file, or several


class Kind(NamedTuple):
    """What is the same for all jobs of a rule.

    module: on whose source files, and all that they import, the jobs depend; inputs, outputs: by the rule's name for
    them, the output by which a job is asked for first; code: the fingerprint's file in data/code, where it is not named
    as the rule; origin: what names among the inputs stand for in one job, beside its wildcards.
    """

    module: str
    inputs: Mapping[str, Files]
    outputs: Mapping[str, Files]
    code: str = ""
    origin: Callable[[Params, Wildcards], Params] = lambda params, job: {}


class Stage(NamedTuple):
    """Jobs of a rule that the same keys of params.yaml list: one stage of dvc.yaml.

    each: by name, the key of a list, or the values themselves, with a job for each combination; reads: the keys that
    the jobs' configuration is made from; names: what other names in the kind's texts stand for; inputs: files that
    other jobs of the rule do without. With `{key}` in its name it is a stage for each swept key, which gives `key` and
    `value` in `each`: its jobs read all but that key.
    """

    rule: str
    each: Mapping[str, Files]
    reads: list[str]
    names: Mapping[str, str] = {}
    inputs: tuple[str, ...] = ()


# ---- files

SPLITS = ("train", "test")
IMAGES, LABELS, OCCURRENCE = (
    [f"data/packed/{{dataset}}/{split}_{what}.npy" for split in SPLITS] for what in ("images", "labels", "occurrence")
)
MANIFEST, MASKS = "data/packed/{dataset}/manifest.json", "data/masks/{dataset}/train.npy"
# What the packed data and the masks were made from; no job depends on it, so it decides on no training
DATA_RECORD, MASKS_RECORD = "data/packed/{dataset}/record.json", "data/masks/{dataset}/record.json"
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


def source(params: Params, job: Wildcards) -> Params:
    """From whose sources a data set is packed."""
    return {"source": source_set(params, job["dataset"])}


def phi(params: Params, job: Wildcards) -> Params:
    """From which pretraining a classifier starts."""
    return {f"phi_{key}": name for key, name in pretrained(params, job["dataset"], job["variant"]).items()}


def measurement(module: str, rule: str, code: str, data: list[str], **more: str) -> Kind:
    """A kind of job that measures pretrained models."""
    inputs = {"data": data, "checkpoint": CHECKPOINT, **more}
    return Kind(f"patchvae.evaluation.{module}", inputs, {"metrics": METRICS[rule]}, code)


KINDS = {
    "download": Kind("patchvae.data.sources", {}, {"out": "data/sources/{dataset}.json"}),
    "prepare": Kind(
        "patchvae.data.prepare",
        {"sources": "data/sources/{source}.json"},
        {"packed": [MANIFEST, *IMAGES, *LABELS, DATA_RECORD]},
        origin=source,
    ),
    "digit_scenes": Kind("patchvae.data.prepare", {}, {"packed": [MANIFEST, *SCENES[:-1], DATA_RECORD]}, "prepare"),
    "masks": Kind(
        "patchvae.data.masks", {"images": IMAGES[0], "manifest": MANIFEST}, {"masks": MASKS, "record": MASKS_RECORD}
    ),
    "pretrain": Kind(
        "patchvae.training.pretrain",
        {"images": IMAGES[0], "manifest": MANIFEST},  # for some variants masks or labels, too
        {"checkpoint": CHECKPOINT, "metrics": METRICS["pretrain"]},
        "pretrain/{base}",
    ),
    "finetune": Kind(
        "patchvae.training.finetune", {"data": DATA, "pretrained": PHI}, {"metrics": METRICS["finetune"]}, origin=phi
    ),
    "rates": Kind(
        "patchvae.training.rates", {"data": DATA, "pretrained": PHI}, {"metrics": METRICS["rates"]}, origin=phi
    ),
    "probe": Kind(
        "patchvae.evaluation.probe", {"data": DATA, "pretrained": PHI}, {"metrics": METRICS["probe"]}, origin=phi
    ),
    "few_labels": Kind(
        "patchvae.evaluation.few_labels",
        {"data": DATA, "pretrained": PHI},
        {"metrics": METRICS["few_labels"]},
        origin=phi,
    ),
    "few_labels_pixels": Kind(
        "patchvae.evaluation.few_labels", {"data": DATA}, {"metrics": METRICS["few_labels_pixels"]}, "few_labels"
    ),
    "reconstruct": measurement("reconstruction", "reconstruct", "reconstruct/{variant}", [IMAGES[1], MANIFEST]),
    "inception": Kind("patchvae.evaluation.inception", {}, {"out": "data/inception.json"}),
    "fid": measurement("fid", "fid", "fid/{variant}", [IMAGES[1], MANIFEST], inception="data/inception.json"),
    "parts": measurement("parts", "parts", "score_parts", SCENES),
    "real_parts": measurement("real_parts", "real_parts", "", DATA, reference=REFERENCE),
    "figure_masks": Kind("patchvae.report.figures.weight_masks", {"images": IMAGES[1]}, figure("figure6_{dataset}")),
    # A module for each figure, in PARTS_FIGURES
    "figure_parts": Kind("", {"data": DATA, "checkpoint": DRAWN}, figure("{figure}_{dataset}"), "{figure}"),
    "figure_real_parts": Kind(
        "patchvae.report.figures.real_parts",
        {"data": [IMAGES[1], MANIFEST], "measured": METRICS_DRAWN},
        figure("real_parts_{dataset}"),
    ),
}

# ---- keys of params.yaml


def keys(block: str, *names: str) -> list[str]:
    """Keys of a block."""
    return [f"{block}.{name}" for name in names]


OWN = "datasets.{dataset}"
PACKED = keys(OWN, "format", "image_size", "num_classes")
PREPARED = [*PACKED, f"{OWN}.max_undecodable"]
MEASURED = [*keys(OWN, "image_size", "stand_in"), "input_scaling", "precision", "deterministic"]
TRAINED = [*MEASURED, f"{OWN}.flip", "init"]
RANDOM = [*TRAINED, "variants.{base}", "model.backbone"]
LABELLED = [*RANDOM, f"{OWN}.num_classes", "model.head_pool", "finetune.hidden_dim"]
SIZED = [*RANDOM, "model.{base}", f"{OWN}.pretrain_epochs"]
VAE = [*SIZED, "pretrain"]
TABLE2_RANDOM = [*TRAINED, "variants.{base}", "table2_model.backbone"]
TABLE2_VAE = [*TABLE2_RANDOM, "table2_model.{base}", f"{OWN}.pretrain_epochs", "table2_pretrain"]
CLASSIFIER = [*TRAINED, *keys(OWN, "num_classes", "finetune_epochs"), "finetune", "heads.{head}"]
FINETUNED = [*CLASSIFIER, *keys("model", "backbone", "head_pool")]
TABLE2_FINETUNED = [*CLASSIFIER, *keys("table2_model", "backbone", "head_pool")]
PROBED = [*MEASURED, f"{OWN}.num_classes", "model.backbone", "ridge"]
DRAWN_LABELS = [*MEASURED, f"{OWN}.num_classes", *keys("few_labels", "per_class", "draws", "lambdas")]
RECONSTRUCTED = [*MEASURED, "reconstruction"]

# ---- which jobs there are


def of(block: str, *names: str) -> dict[str, Files]:
    """Lists of a block, by name."""
    return {name: f"{block}.{name}s" for name in names}


def trained(datasets: Files, bases: str, reads: list[str], suffix: str = "", *inputs: str) -> Stage:
    """Pretrainings of variants, whose rows have the suffix in their names."""
    each = {"dataset": datasets, "base": bases, "seed": "seeds"}
    return Stage("pretrain", each, reads, {"variant": "{base}" + suffix}, inputs)


def objective(table: str, name: str, reads: list[str]) -> Stage:
    """Pretrainings of a list of `objectives`."""
    inputs = [MASKS] if "lw" in name else [LABELS[0]] if name == "labels" else []
    return trained(f"{table}.datasets", f"{table}.objectives.{name}", reads, SUFFIXES[name], *inputs)


def classified(rule: str, each: Mapping[str, Files], reads: list[str], **names: str) -> Stage:
    """Linear probes or fine-tunings, of the phi of their own data set and variant unless it is said."""
    phi = {"phi_dataset": "{dataset}", "phi_variant": "{variant}"}
    return Stage(rule, {**each, "seed": each.get("seed", "seeds")}, reads, phi | names)


def tuned(table: str, each: Mapping[str, Files], reads: list[str] = FINETUNED, **names: str) -> Stage:
    """Fine-tunings for a table."""
    return classified("finetune", each, reads, table=table, **names)


TABLE1 = of("table1", "regime", "head", "variant", "dataset")
TABLE2 = {"regime": ["{table2.regime}"], "head": ["{table2.head}"], **of("table2", "variant", "dataset")}
TABLE7 = {"dataset": "table2.datasets", "variant": "table7.variants", "seed": "seeds"}
SHORTENED = {"variant": "{row}.epochs={epoch}", "phi_variant": "{row}"}
SCALE_FREE = of("scale_free", "variant", "dataset")
SWEPT = "{ablation_base.variant}.{key}={value}"
FIGURES = of("figures", "dataset")

STAGES = {
    "download": Stage("download", {"dataset": "data.archives"}, [f"{OWN}.sources"]),
    "prepare": Stage("prepare", {"dataset": "data.archives"}, PREPARED, {"source": "{dataset}"}),
    "prepare_shared": Stage("prepare", of("data.shared", "dataset"), PREPARED, {"source": "{data.shared.sources}"}),
    "digit_scenes": Stage(
        "digit_scenes", {"dataset": "data.scenes"}, [*PACKED, *keys(OWN, "train_images", "test_images", "seed")]
    ),
    "masks": Stage("masks", {"dataset": "data.weighted"}, [*keys(OWN, "image_size", "mask_patch_size"), "masks"]),
    "pretrain": objective("table1", "plain", VAE),
    "pretrain_lw": objective("table1", "lw", VAE),
    "pretrain_gan": objective("table1", "gan", [*VAE, "gan"]),
    "pretrain_gan_lw": objective("table1", "gan+lw", [*VAE, "gan"]),
    "pretrain_bigan": objective(
        "table1", "bigan", [*SIZED, *keys("pretrain", "batch_size", "epoch_images", "snapshots")]
    ),
    "pretrain_none": objective("table1", "none", RANDOM),  # the controls: phi at its initial weights
    "pretrain_labels": trained(
        ["{table1.labelled.dataset}"],
        "table1.labelled.variants",
        [*LABELLED, f"{OWN}.pretrain_epochs", "pretrain"],
        "",
        LABELS[0],
    ),
    "pretrain_own_labels": objective(  # the positive control, and its labels dealt out at random
        "table1", "labels", [*LABELLED, *keys("pretrain", "batch_size", "lr", "adam_betas", "epoch_images")]
    ),
    "pretrain_parts": trained("parts.pretrained", "parts.variants", VAE),  # for the score of part discovery alone
    "pretrain_table2": objective("table2", "plain", TABLE2_VAE),
    "pretrain_table2_lw": objective("table2", "lw", TABLE2_VAE),
    "pretrain_table2_none": objective("table2", "none", TABLE2_RANDOM),
    "pretrain_{key}": Stage(
        "pretrain",
        {"dataset": "ablation_base.datasets", "value": "", "seed": "seeds"},
        VAE,
        {"base": "{ablation_base.variant}", "variant": SWEPT},
    ),
    "finetune": tuned("table1", TABLE1),
    "finetune_labels": tuned(
        "table1",
        TABLE1 | of("table1.labelled", "variant"),
        [*FINETUNED, "table1.labelled.dataset"],
        phi_dataset="{table1.labelled.dataset}",
    ),
    "finetune_table2": tuned("table2", TABLE2, TABLE2_FINETUNED),
    "finetune_table2_supervised": tuned(
        "table2", TABLE2 | {"regime": ["none"], "variant": "table2.supervised"}, TABLE2_FINETUNED
    ),
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
        "rates",
        SCALE_FREE | {"head": "scale_free.tuned", "seed": ["{seeds.0}"]},
        [key for key in FINETUNED if not key.endswith("finetune_epochs")] + ["rates"],
        regime="{scale_free.regime}",
    ),
    "finetune_tuned": tuned(
        "scale_free", SCALE_FREE | {"head": "scale_free.tuned"}, regime="{scale_free.regime}"
    )._replace(inputs=(RATES,)),
    "probe": classified("probe", of("probe", "variant", "dataset"), PROBED),
    "probe_lengths": classified(
        "probe",
        {"epoch": "pretrain.snapshots", "row": "lengths.variants", **of("lengths", "dataset")},
        PROBED,
        **SHORTENED,
    ),
    "few_labels": classified(
        "few_labels",
        of("few_labels", "variant", "dataset") | {"seed": ["{seeds.0}"]},
        [*DRAWN_LABELS, "model.backbone", "ridge.pool"],
    ),
    "few_labels_pixels": Stage(
        "few_labels_pixels",
        {**of("few_labels", "dataset"), "floor": [*FLOORS], "seed": ["{seeds.0}"]},
        [*DRAWN_LABELS, "few_labels.whitened_variance"],
    ),
    "reconstruct": Stage("reconstruct", TABLE7, RECONSTRUCTED),
    "inception": Stage("inception", of("table2", "dataset"), ["inception"]),  # once, where there is a Table 7
    "fid": Stage("fid", TABLE7, RECONSTRUCTED),
    "parts": Stage("parts", {**of("parts", "dataset", "variant"), "seed": "seeds"}, MEASURED),
    "real_parts": Stage(
        "real_parts",
        {**of("real_parts", "dataset"), "variant": ["{real_parts.variant}"], "seed": "seeds"},
        [*MEASURED, "real_parts.reference", "part_measures", "drawing.crop_cells", "ridge.pool"],
    ),
    "figure_masks": Stage("figure_masks", FIGURES, [f"{OWN}.mask_patch_size", "masks", "drawing.rows"]),
    "figure_parts": Stage(
        "figure_parts",
        {**FIGURES, "figure": [*PARTS_FIGURES]},
        [*MEASURED, "figures.variant", "drawing"],
    ),
    "figure_real_parts": Stage(
        "figure_real_parts",
        of("real_parts", "dataset"),
        ["drawing.crop_cells"],
    ),
}
