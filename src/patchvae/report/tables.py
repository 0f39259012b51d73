"""Table 1 beside the paper's numbers, from metrics files alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_text

KEYS = ["model", "dataset", "regime"]
COLUMNS = [
    *KEYS,
    *("paper", "mean", "std", "n", "last_mean", "best_mean"),
    *("epochs", "test_images", "seconds", "device", "precision", "config_sha256"),
]
# Without pretraining; last in every table.
CONTROLS = {"random": "Random φ (control)", "random+bn": "Random φ, BatchNorm of the data (control)"}
MODELS = {
    "beta-vae": "β-VAE",
    "patchvae": "PatchVAE",
    "bigan": "BiGAN",
    "imagenet-pretrained": "ImageNet-pretrained",
}
DATASETS = {"cifar100": "CIFAR-100", "indoor67": "Indoor67", "places205": "Places205"}
REGIMES = {"conv1": "Conv1", "conv1-3": "Conv[1-3]", "conv1-5": "Conv[1-5]"}
EMPTY = "—"
LATEX = {character: "\\" + character for character in "{}&%$#_"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "β": r"$\beta$",
    "φ": r"$\phi$",
    "±": r"$\pm$",
    "—": "---",
}


def display_name(model: str) -> str:
    """A model's name as in the paper's table: `beta-vae-gan+lw` -> `β-VAE-GAN + L_w`."""
    if model in CONTROLS:
        return CONTROLS[model]
    stem, plus, _ = model.partition("+lw")
    stem, gan, _ = stem.partition("-gan")
    name = MODELS.get(stem)
    # A variant of one's own keeps the name of its key in params.yaml.
    if name is None or model != stem + gan + plus:
        return model
    return name + ("-GAN" if gan else "") + (" + L_w" if plus else "")


def read_metrics(path: Path | str, config: Mapping[str, Any]) -> dict[str, Any]:
    """One fine-tuning as a row; raises PatchVAEError naming the file for anything but a cell of this table."""
    metrics = read_json(path)
    try:
        if metrics["schema"] != 1 or metrics["rule"] != "finetune":
            raise PatchVAEError(f"{path}: not the metrics (schema 1) of a fine-tuning")
        row = {
            "model": metrics["variant"],
            **{key: metrics[key] for key in ("dataset", "regime", "seed", "device", "precision", "epochs", "seconds")},
            **{key: metrics["top1"][key] for key in ("last", "best")},
            "test_images": metrics["count"],
            "num_classes": metrics["config"]["num_classes"],
            "config_sha256": metrics["config_sha256"][:12],
            "test_sha256": metrics["data_sha256"]["test"],
            "file": str(path),
        }
    except KeyError as error:
        raise PatchVAEError(f"{path}: not the metrics of a fine-tuning: {error.args[0]!r} is missing") from error
    except TypeError as error:
        raise PatchVAEError(f"{path}: not the metrics of a fine-tuning: {error}") from error
    for key, known in (("model", "variants"), ("dataset", "datasets"), ("regime", "regimes"), ("seed", "seeds")):
        if row[key] not in config[known]:
            raise PatchVAEError(f"{path}: {key} {row[key]!r} is none of this table's {known}")
    for key in ("last", "best"):
        value = row[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise PatchVAEError(f"{path}: top1.{key} is {value!r}, not a percentage")
    planned = config["schedule"][row["dataset"]]["finetune_epochs"]
    if row["epochs"] != planned:
        raise PatchVAEError(f"{path}: fine-tuned for {row['epochs']} epochs, but this run has {planned}")
    return row


def collect(config: Mapping[str, Any], metrics_files: Sequence[Path | str]) -> pd.DataFrame:
    """All fine-tunings of the table, one row per (model, dataset, regime, seed), in the order of `config`.

    Raises PatchVAEError for a wrong, doubled or missing metrics file, and for cells tested on different images.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted(metrics_files, key=str):
        row = read_metrics(path, config)
        key = (row["model"], row["dataset"], row["regime"], row["seed"])
        if key in found:
            raise PatchVAEError(f"{path}: the same cell and seed as {found[key]['file']}")
        found[key] = row
    expected = pd.MultiIndex.from_product([config[key] for key in ("variants", "datasets", "regimes", "seeds")])
    for key in expected:
        if key not in found:
            raise PatchVAEError("no metrics file for {}, {}, {}, seed {}".format(*key))
    frame = pd.DataFrame([found[key] for key in expected])
    for dataset, cells in frame.groupby("dataset"):
        other = cells[cells.test_sha256 != cells.test_sha256.iloc[0]]
        if len(other):
            raise PatchVAEError(f"{other.file.iloc[0]}: tested on other images of {dataset} than {cells.file.iloc[0]}")
    return frame


def read_paper(path: Path | str) -> pd.DataFrame:
    """The paper's numbers, columns model, dataset, regime, paper; raises PatchVAEError naming a broken file."""
    try:
        frame = pd.read_csv(path)
        return frame[[*KEYS, "top1"]].astype({"top1": float}).rename(columns={"top1": "paper"})
    except (OSError, ValueError, KeyError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error


def summarise(config: Mapping[str, Any], results: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """One row per (model, dataset, regime), columns COLUMNS: mean and sample std over seeds beside the paper's number.

    Models are in the paper's order, then those of one's own, the control last; a model that was not run has n = 0.
    """

    def distinct(values: pd.Series) -> str:
        return "; ".join(dict.fromkeys(map(str, values)))

    ours = results.groupby(KEYS).agg(
        mean=(config["select"], "mean"),
        std=(config["select"], "std"),
        n=("seed", "count"),
        last_mean=("last", "mean"),
        best_mean=("best", "mean"),
        epochs=("epochs", "first"),
        test_images=("test_images", "first"),
        seconds=("seconds", "sum"),
        device=("device", distinct),
        precision=("precision", distinct),
        config_sha256=("config_sha256", distinct),
    )
    models = dict.fromkeys([*paper.model, *config["variants"]])
    for control in CONTROLS.keys() & models.keys():
        del models[control]
    models |= {control: None for control in CONTROLS if control in config["variants"]}
    cells = pd.MultiIndex.from_product([list(models), config["datasets"], config["regimes"]], names=KEYS)
    table = ours.join(paper.set_index(KEYS), how="outer").reindex(cells).reset_index()
    integers = ["n", "epochs", "test_images"]
    return table.fillna({"n": 0}).astype(dict.fromkeys(integers, "Int64"))[COLUMNS]


def cell(row: Any, bold: str) -> str:
    """`ours ± std (paper)`; what is not there is left out, or a dash."""
    ours = EMPTY
    if row.n:
        ours = f"{row.mean:.2f}" + ("" if pd.isna(row.std) else f" ± {row.std:.2f}")
        ours = bold.format(ours) if row.best else ours
    return ours if pd.isna(row.paper) else f"{ours} ({row.paper:.2f})"


def layout(table: pd.DataFrame, bold: str) -> list[list[str]]:
    """Rows of texts: name, then one cell per data set and regime. A model without any number is left out."""
    # Equal to the printed digits is equally good.
    rounded = table["mean"].round(2)
    best = rounded == rounded.groupby([table.dataset, table.regime]).transform("max")
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=best).set_index("model").itertuples():
        texts.setdefault(str(row.Index), [display_name(str(row.Index))]).append(cell(row, bold))
    return [row for row in texts.values() if any(text != EMPTY for text in row[1:])]


def plural(count: int, thing: str) -> str:
    """`1 epoch`, `2 epochs`, `10,000 images`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def caption(config: Mapping[str, Any], results: pd.DataFrame, with_paper: bool) -> str:
    """The protocol behind the numbers, in plain sentences."""
    when = {"last": "after the last epoch", "best": "at the epoch that is best on the test set (optimistic)"}
    seeds = plural(len(config["seeds"]), "seed")
    if len(config["seeds"]) > 1:
        seeds += ", mean ± sample standard deviation"
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) {when[config['select']]}, {seeds}; bold: our best per column."
    ]
    if with_paper:
        text.append("In parentheses the paper's numbers, at the paper's own schedule.")
    for dataset in config["datasets"]:
        cells = results[results.dataset == dataset]
        schedule = config["schedule"][dataset]
        text.append(
            f"{dataset_name(config, dataset)}: {plural(schedule['pretrain_epochs'], 'epoch')} of pretraining and"
            f" {schedule['finetune_epochs']} of fine-tuning, {plural(int(cells.test_images.iloc[0]), 'test image')},"
            f" chance {100 / int(cells.num_classes.iloc[0]):.2f} %."
        )
    machines = "; ".join(dict.fromkeys(results.device + ", " + results.precision))
    minutes = results.seconds.sum() / 60
    time = f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    return " ".join([*text, f"Measured on {machines}; fine-tuning took {time} in all."])


def demo_line(config: Mapping[str, Any]) -> str:
    """The warning that made-up data call for, or nothing."""
    made_up = [dataset for dataset in config["datasets"] if dataset in config["demo"]]
    return f"DEMO on digit scenes - not comparable with the paper ({', '.join(made_up)})." if made_up else ""


def dataset_name(config: Mapping[str, Any], dataset: str) -> str:
    """A data set's name as printed; made-up data are marked."""
    return f"{dataset} (demo)" if dataset in config["demo"] else DATASETS.get(dataset, dataset)


def markdown(config: Mapping[str, Any], results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Table 1 as Markdown, its caption above it."""
    columns = [f"{dataset_name(config, d)} {REGIMES[r]}" for d in config["datasets"] for r in config["regimes"]]
    rows = [["Model", *columns], ["---", *["---:"] * len(columns)], *layout(table, "**{}**")]
    demo = demo_line(config)
    lines = [f"> **{demo}**", ""] if demo else []
    lines += [caption(config, results, bool(table.paper.notna().any())), ""]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def escape(text: str) -> str:
    """Text for LaTeX."""
    return "".join(LATEX.get(character, character) for character in text).replace(r"L\_w", "$L_w$")


def latex(config: Mapping[str, Any], results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Table 1 as a LaTeX float for `\\input`, shrunk where the page is too narrow; needs booktabs and graphicx."""
    datasets, width = config["datasets"], len(config["regimes"])
    mark = "\0{}\1"  # survives the escaping
    rows = [" & ".join(map(escape, row)) + r" \\" for row in layout(table, mark)]
    spans = [(2 + width * index, 1 + width * (index + 1)) for index in range(len(datasets))]
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{escape(dataset_name(config, dataset))}}}" for dataset in datasets]
    regimes = [REGIMES[regime] for regime in config["regimes"]] * len(datasets)
    demo = demo_line(config)
    warning = rf"\textbf{{{escape(demo)}}} " if demo else ""
    text = escape(caption(config, results, bool(table.paper.notna().any())))
    float_name = "table" if len(datasets) == 1 else "table*"
    lines = [
        r"% Generated. Needs \usepackage{booktabs,graphicx}.",
        rf"\begin{{{float_name}}}",
        r"\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{warning}{text}}}",
        r"\label{tab:table1}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * width * len(datasets)}}}",
        r"\toprule",
        " & ".join(["", *heads]).lstrip() + r" \\",
        "".join(rf"\cmidrule(lr){{{first}-{last}}}" for first, last in spans),
        " & ".join(["Model", *regimes]) + r" \\",
        r"\midrule",
        *(row.replace("\0", r"\textbf{").replace("\1", "}") for row in rows),
        r"\bottomrule",
        r"\end{tabular}}",
        rf"\end{{{float_name}}}",
    ]
    return "\n".join([*lines, ""])


def write_table1(
    config: Mapping[str, Any],
    paper_csv: Path | str,
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
) -> None:
    """Write Table 1 as tidy CSV, Markdown and LaTeX.

    config: a resolved `table1` configuration; paper_csv: columns model, dataset, regime, top1 (percent);
    metrics_files: one metrics file of a fine-tuning per (variant, data set, regime, seed) of `config`, in any order.
    In the CSV, `mean` and `std` are over seeds at the epoch that `select` names, `seconds` is the fine-tunings' sum,
    `config_sha256` the first 12 digits of every seed's.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    results = collect(config, metrics_files)
    table = summarise(config, results, read_paper(paper_csv))
    texts = {
        csv: table.to_csv(index=False, float_format="%.2f", lineterminator="\n"),
        md: markdown(config, results, table),
        tex: latex(config, results, table),
    }
    for path, text in texts.items():
        write_text(path, text)
