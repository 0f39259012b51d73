"""The metrics files of one cell of a table as plain text, section by section."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from patchvae.errors import PatchVAEError
from patchvae.files import file_digest, read_json
from patchvae.report.plain_text import UNTOLD, columns, over_seeds, pairs, told
from patchvae.report.tables.metrics import Row
from patchvae.report.tables.words import demo_line, plural

Metrics = Mapping[int, Row]  # contents of a cell's metrics files by seed

POINTS = 8  # of a learning curve, after its first epoch
# Names and digits of the columns of numbers
TUNED = {"last epoch": 2, "best": 2, "at epoch": 0, "top-5": 2, "best top-5": 2}
PROBED = {"top-1": 2, "top-5": 2}
COMMON = {"train": 2, "seconds": 1, "peak MB": 0}


def is_tuned(found: Metrics) -> bool:
    """Whether the files are of a fine-tuning; a probe has no epochs."""
    return bool(next(iter(found.values()))["rule"] == "finetune")


def numbers(found: Metrics) -> list[str]:
    """Accuracies in %, seconds and memory."""
    tuned = is_tuned(found)
    rows: dict[int, list[float | None]] = {}
    for seed, content in found.items():
        if tuned:
            top1, top5 = content["top1"], content.get("top5", {})
            row = [top1["last"], top1["best"], top1["best_epoch"], top5.get("last"), top5.get("best")]
            row.append(content["history"][-1]["train_top1"])
        else:
            row = [content["top1"], content["top5"], content["train_top1"]]
        rows[seed] = [*row, content["seconds"], content.get("peak_memory_mb")]
    return over_seeds((TUNED if tuned else PROBED) | COMMON, rows)


def curve(found: Metrics) -> list[str]:
    """Means over seeds at the first epoch and at some POINTS after it."""
    histories = [content["history"] for content in found.values()]
    last = min(map(len, histories))
    rows = []
    for epoch in sorted({1, *(max(1, round(last * step / POINTS)) for step in range(1, POINTS + 1))}):
        records = [history[epoch - 1] for history in histories]
        loss, train, test = (statistics.fmean(r[key] for r in records) for key in ("loss", "train_top1", "test_top1"))
        rows.append([str(epoch), f"{loss:.4f}", f"{train:.2f}", f"{test:.2f}"])
    return columns(["epoch", "loss", "train", "test"], rows)


def strengths(found: Metrics) -> list[str]:
    """Of a probe: lambda, and how it was chosen."""
    keys = ("lambda", "at_edge", "held_out", "features", "constant_features")
    return pairs(told({seed: {key: content[key] for key in keys} for seed, content in found.items()}))


def losses(histories: Sequence[Sequence[Mapping[str, float]]]) -> list[str]:
    """Terms of the loss in pretrainings: means in the first and the last epoch, and the largest value of any step.

    Early metrics files lack the latter: a dash.
    """
    rows = []
    for term in histories[0][0]:
        everywhere = all(term in record for history in histories for record in history)
        if term == "epoch" or term.endswith("_max") or not everywhere:
            continue
        ends = [statistics.fmean(history[end][term] for history in histories) for end in (0, -1)]
        largest = [record[f"{term}_max"] for history in histories for record in history if f"{term}_max" in record]
        rows.append([term, *(f"{value:.5g}" for value in ends), f"{max(largest):.5g}" if largest else "-"])
    return columns(["term", "first epoch", "last epoch", "largest step"], rows)


def pretraining(found: Metrics, pretrain_files: Mapping[int, Path]) -> list[str]:
    """What is known of the pretraining; pretrain_files: its metrics file by seed, which may be missing."""
    lines = pairs(told({seed: content.get("pretraining") or {} for seed, content in found.items()}))
    lines = lines or [f"{UNTOLD} by these files; the run's own of this row:"]
    histories = []
    for seed, content in found.items():
        block, path = content.get("pretraining") or {}, pretrain_files[seed]
        if not path.is_file():
            lines += ["", f"not there: {path}"]
            continue
        metrics = read_json(path)
        if not isinstance(metrics, dict) or metrics.get("rule") != "pretrain":
            raise PatchVAEError(f"{path}: not the metrics of a pretraining")
        if metrics["config_sha256"] != block.get("config_sha256", metrics["config_sha256"]):
            lines += ["", f"of another pretraining, with other parameters: {path}"]
            continue
        cost = f"{plural(metrics['epochs'], 'epoch')}, {metrics['seconds']:.1f} seconds on {metrics['device']}"
        lines += ["", str(path), f"sha256 {file_digest(path)}", cost]
        # Where phi is of an earlier epoch, later ones have nothing to do with the cell.
        histories.append(metrics["history"][: block.get("epochs")])
    if histories and all(histories):
        over = f"means over {len(histories)} seeds, the largest step of all:" if len(histories) > 1 else ""
        lines += ["", *([over] if over else []), *losses(histories)]
    return lines


def made(found: Metrics) -> list[str]:
    """Code, versions, machines."""

    def machines(content: Row) -> str:
        each = content.get("machines") or [content]
        named = [f"{machine['device']}, {plural(machine['threads'], 'thread')}" for machine in each]
        return ", then ".join(dict.fromkeys(named))

    def versions(content: Row) -> str:
        return ", ".join(f"{name} {version}" for name, version in sorted(content["versions"].items()))

    def commit(content: Row) -> str:
        return str(content.get("commit") or UNTOLD).replace("+", " (edited)")

    blocks = {
        seed: {
            "code": content["code_sha256"],
            "commit": commit(content),
            "versions": versions(content),
            "machine": machines(content),
            "precision": content["precision"],
        }
        for seed, content in found.items()
    }
    return pairs(told(blocks))


def data(found: Metrics) -> list[str]:
    """Digests of the packed images and labels, and of the set of images and its order."""
    keys = {"images": "data_sha256", "labels": "labels_sha256", "set": "set_sha256", "order": "order_sha256"}
    blocks = {seed: {name: content.get(key, UNTOLD) for name, key in keys.items()} for seed, content in found.items()}
    return pairs(told(blocks))


def sections(found: Metrics, pretrain_files: Mapping[int, Path]) -> dict[str, list[str]]:
    """All sections by title; pretrain_files: the metrics file of the pretraining by seed."""
    first = next(iter(found.values()))
    config, tuned = first["config"], is_tuned(found)
    over = "" if len(found) == 1 else f", means over {len(found)} seeds"
    count = f"{plural(first['count'], 'test image')}, chance {100 / config['num_classes']:.2f} %"
    warning = demo_line([first["dataset"]], [first["dataset"]] if config.get("stand_in") else [])
    parts = {f"Top-1 accuracy (%): {count}": [*numbers(found), *([warning] if warning else [])]}
    if tuned:
        parts[f"Learning curve (top-1 in %){over}"] = curve(found)
    else:
        parts["Ridge regression"] = strengths(found)
    parts["Configuration"] = pairs(told({seed: content["config"] for seed, content in found.items()}))
    parts["Pretraining"] = pretraining(found, pretrain_files)
    parts["Code and machine"] = made(found)
    parts["Data (SHA-256)"] = data(found)
    return parts
