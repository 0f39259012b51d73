"""Table 2: top-1 and top-5 accuracy on ImageNet, beside a network that is wholly trained with labels."""

import itertools

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Name, Regime, RowName, Some
from patchvae.report.tables import words
from patchvae.report.tables.config import File, Files, Selected, Settings
from patchvae.report.tables.finetunings import CELL, LEARNING, METRICS, accuracies, selection
from patchvae.report.tables.metrics import collect, read_paper_by_metric, stand_ins_of, summarise
from patchvae.report.tables.sheet import sheet_of, side_by_side, texts_of

WHOLE = "none"  # the regime that freezes nothing


class Config(Selected):
    dataset: Name
    variants: Some[RowName]
    regime: Regime
    head: Name
    supervised: RowName  # the variant whose φ is trained whole


def caption(config: Settings, results: pd.DataFrame, of_imagenet: bool) -> list[str]:
    return [
        f"Run {config['run']}: test accuracy (%) on {words.dataset_name(config['dataset'], stand_ins_of(results))} at"
        f" {words.regime_name(config['regime'])}, {selection(config)}; {words.bold(results.model)}.",
        f"Supervised: started as {words.display_name(config['supervised'])}, then all of it is trained with labels.",
        "The paper's numbers are at the paper's own schedule."
        if of_imagenet
        else "The paper's Table 2 is of ImageNet, so none of its numbers stands here.",
    ]


def report(config: Settings, paper_csv: File, metrics_files: Files) -> dict[str, str]:
    """Table 2; the model of the supervised row is `supervised` in its CSV.

    paper_csv: columns model, top1, top5 (percent), with the model `imagenet-supervised`; metrics_files: a fine-tuning
    per variant and seed, and one of the supervised row per seed in the regime WHOLE. Raises PatchVAEError, too,
    for a regime that is the supervised row's.
    """
    dataset, regime, head = config["dataset"], config["regime"], config["head"]
    if regime == WHOLE:
        raise PatchVAEError(f"table2.regime: {regime!r} is the supervised row's, choose one that freezes something")
    rows = [*((variant, regime) for variant in config["variants"]), (config["supervised"], WHOLE)]
    cells = [(model, dataset, frozen, head, seed) for (model, frozen), seed in itertools.product(rows, config["seeds"])]
    reader = accuracies(config["select"], list(METRICS))
    results = collect(metrics_files, {"finetune": reader}, pd.MultiIndex.from_tuples(cells, names=CELL), whole=True)
    results["model"] = results.model.mask(results.regime == WHOLE, "supervised")
    of_imagenet = words.of_imagenet(dataset, stand_ins_of(results))
    paper = read_paper_by_metric(paper_csv, {metric: metric for metric in METRICS}, of_imagenet)
    paper = paper.rename({"imagenet-supervised": "supervised"}, level="model")
    models = words.in_order(paper.index.get_level_values("model"), [*config["variants"], "supervised"])
    table = summarise(results, {"model": models, "metric": list(METRICS)}, paper, **LEARNING)
    table.insert(1, "dataset", dataset)
    table.insert(2, "regime", (table.model == "supervised").map({True: WHOLE, False: regime}))
    headings = {metric: f"{name.capitalize()} (%)" for metric, (_, name) in METRICS.items()}
    parts = side_by_side(table, "model", "metric", headings, 2, words.display_name)
    text = caption(config, results, of_imagenet)
    sheet = sheet_of(results, [dataset], text, label="table2", corner="Model", **parts)
    return texts_of(table, 2, sheet)
