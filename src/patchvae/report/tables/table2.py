"""Table 2: top-1 and top-5 accuracy on ImageNet, beside a network that is wholly trained with labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Name, Regime, RowName, Some
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import (
    LEARNING,
    METRICS,
    collect_accuracies,
    pretrained_with_labels,
    schedules,
    selection,
)
from patchvae.report.tables.metrics import best, read_paper_by_metric, stand_ins_of, summarise
from patchvae.report.tables.sheet import Sheet, side_by_side, texts_of, write_texts
from patchvae.report.tables.words import (
    bold,
    dataset_name,
    demo_line,
    display_name,
    in_order,
    measured,
    of_imagenet,
    regime_name,
)

WHOLE = "none"  # the regime that freezes nothing


def paper_numbers(path: Path | str, imagenet: bool) -> pd.Series:
    """The paper's accuracies by (model, metric); none when ours are not of ImageNet."""
    numbers = read_paper_by_metric(path, {metric: metric for metric in METRICS})
    numbers = numbers.rename({"imagenet-supervised": "supervised"}, level="model")
    return numbers if imagenet else numbers.iloc[:0]


class Table2(Selected):
    dataset: Name
    variants: Some[RowName]
    regime: Regime
    head: Name
    supervised: RowName


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    dataset, stand_ins = config["dataset"], stand_ins_of(results)
    text = [
        f"Run {config['run']}: test accuracy (%) on {dataset_name(dataset, stand_ins)} at"
        f" {regime_name(config['regime'])}, {selection(config)}; {bold(results.model)}.",
        f"Supervised: started as {display_name(config['supervised'])}, then all of it is trained with labels.",
    ]
    if of_imagenet(dataset, stand_ins):
        text.append("The paper's numbers are at the paper's own schedule.")
    else:
        text.append("The paper's Table 2 is of ImageNet, so none of its numbers stands here.")
    text += schedules(results, [dataset])
    return " ".join([*text, *pretrained_with_labels(results), measured(results, "fine-tuning")])


def write(
    config: Mapping[str, Any],
    paper_csv: Path | str,
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write Table 2 as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, dataset, variants, regime (of all variants), head, supervised (the variant whose φ is trained
    whole, in regime "none"), select; paper_csv: columns model, top1, top5 (percent), the supervised row's model is
    `imagenet-supervised`; metrics_files: one fine-tuning per variant and seed, and one of the supervised row per seed,
    in any order. That row's model is `supervised` in the CSV.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    dataset, regime = config["dataset"], config["regime"]
    if regime == WHOLE:
        raise PatchVAEError(f"table2.regime: {regime!r} is the supervised row's, choose one that freezes something")
    wanted = [(variant, dataset, regime, config["head"]) for variant in config["variants"]]
    wanted.append((config["supervised"], dataset, WHOLE, config["head"]))
    results = collect_accuracies(config, metrics_files, wanted, list(METRICS))
    results["model"] = results.model.mask(results.regime == WHOLE, "supervised")
    stand_ins = stand_ins_of(results)
    paper = paper_numbers(paper_csv, of_imagenet(dataset, stand_ins))
    models = in_order(list(paper.index.get_level_values("model")), [*config["variants"], "supervised"])
    table = summarise(results, paper, {"model": models, "metric": list(METRICS)}, **LEARNING)
    whole = table.model == "supervised"
    table.insert(1, "dataset", dataset)
    table.insert(2, "regime", whole.map({True: WHOLE, False: regime}))
    table["best"] = best(table, ["metric"], 2)
    headings = {metric: f"{name.capitalize()} (%)" for metric, (_, name) in METRICS.items()}
    groups, texts = side_by_side(table, "model", "metric", headings, 2)
    sheet = Sheet(
        label="table2",
        warning=demo_line([dataset], stand_ins),
        caption=caption(config, results),
        corner="Model",
        groups=groups,
        rows=[[display_name(model), *cells] for model, cells in texts.items()],
    )
    write_texts(texts_of(table.drop(columns="best"), 2, sheet, csv, md, tex, html))
