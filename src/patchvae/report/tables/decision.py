"""The decision on one pair of rows under classifiers that do not depend on the scale of the features."""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.report.comparisons import by_model, of_pairs, over_images, right_by_model, rows_near_chance
from patchvae.report.tables.claims_file import Decision, read_claims_file
from patchvae.report.tables.finetunings import CELL, schedules
from patchvae.report.tables.metrics import Row, agreed, collect, stand_ins_of
from patchvae.report.tables.outcomes import outcomes, right_images
from patchvae.report.tables.probe_table import REGIME, probes
from patchvae.report.tables.sheet import EMPTY, Sheet, signed, texts_of, write_texts
from patchvae.report.tables.words import (
    PROBE_HEAD,
    WHEN,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    head_notes,
    listed,
    measured,
    regime_name,
)

DECIDING, OTHER = "deciding", "other"  # roles of seeds: those of the rule, and all others with results
BETTER, WORSE = "better", "worse"
DEPENDS = "depends on the head"
NOT_DECIDED = "not decided: not run"
SEEDS, IMAGES = "seeds", "images"  # what an interval is over
SAID = {"+": "better", "-": "worse", "0": "not told apart", "": "near chance"}
SIGNS = {"+": "+", "-": "−", "0": "±", "": EMPTY}  # of an interval above 0, below it, around it, and of none
TIDY = ["head", "role", "difference", "low", "high", "over", "n", "seeds", "missing", "sign", "verdict"]


def heads_of(rule: Decision) -> list[str]:
    """The classifiers of a rule in their order, the probe last."""
    return [*rule.heads, *([PROBE_HEAD] if rule.probe else [])]


def decide(rule: Decision, cells: pd.DataFrame) -> pd.DataFrame:
    """What the rule says: a line per role of seeds and classifier, columns TIDY.

    cells: columns model, head, seed, value (%), num_classes, `right` (see `comparisons.over_images`), of the rule's
    data set and regime; rows, heads and seeds beyond the rule's change nothing. Intervals are at 1 - level: paired over
    seeds, or over test images where a role has a single seed. `seeds` are those that both rows have, `missing` the
    rule's other ones; a deciding line has no number until none is missing, and no line has one near chance.
    `verdict`, on the deciding lines: BETTER if the interval is above 0 under every classifier, WORSE if below,
    NOT_DECIDED while any cell is missing, else DEPENDS.
    """
    heads = heads_of(rule)
    lines = [_line(rule, cells[cells["head"] == head], head, DECIDING) for head in heads]
    signs = {line["sign"] for line in lines}
    if any(line["missing"] for line in lines):
        verdict = NOT_DECIDED
    else:
        verdict = {("+",): BETTER, ("-",): WORSE}.get(tuple(signs), DEPENDS)
    lines = [{**line, "verdict": verdict} for line in lines]
    lines += [{**_line(rule, cells[cells["head"] == head], head, OTHER), "verdict": ""} for head in heads]
    return pd.DataFrame(lines)[TIDY].astype(dict.fromkeys(["difference", "low", "high"], float))


def _line(rule: Decision, cells: pd.DataFrame, head: str, role: str) -> dict[str, Any]:
    """The difference under one classifier over the seeds of one role."""
    pair = rule.better, rule.worse
    cells = cells[cells.model.isin(pair) & (cells.seed.isin(rule.seeds) == (role == DECIDING))]
    rows = by_model(cells)
    both = sorted(set.intersection(*(set(rows.get(model, ())) for model in pair)))
    missing = [seed for seed in sorted(rule.seeds) if seed not in both] if role == DECIDING else []
    line = {"head": head, "role": role, "n": len(both), "seeds": _spaced(both), "missing": _spaced(missing)}
    nothing = {"difference": math.nan, "low": math.nan, "high": math.nan, "over": "", "sign": ""}
    difference = of_pairs(rows, *pair)
    if difference is None or not both or missing or rows_near_chance(cells):
        return line | nothing
    over, level = SEEDS if len(both) > 1 else IMAGES, 1 - rule.level
    if over == IMAGES:
        right = right_by_model(cells)
        images = over_images(*(right[model] for model in pair))
        interval = images.interval(level) if images else None
    else:
        interval = difference.interval(level)
    low, high = interval or (math.nan, math.nan)
    sign = "" if interval is None else "+" if low > 0 else "-" if high < 0 else "0"
    return line | {"difference": difference.value, "low": low, "high": high, "over": over, "sign": sign}


def _spaced(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def probe_outcomes(content: Row) -> Iterator[Row]:
    """The row of a probe, with `right` as `outcomes` has it."""
    for row in probes(content):
        yield {**row, "right": right_images({**content, "top1": {"last": content["top1"]}})}


def held_to(rule: Decision, reader: Callable[[Row], Iterator[Row]]) -> Callable[[Row], Iterator[Row]]:
    """A reader that refuses a classifier of the rule which was not trained with the rule's settings."""

    def rows(content: Row) -> Iterator[Row]:
        for key, value in rule.heads.get(content["head"], {}).items():
            if content["config"].get(key) != value:
                raise ValueError(f"{key} is {content['config'].get(key)!r}, but the rule of the decision has {value!r}")
        yield from reader(content)

    return rows


def collect_cells(config: Mapping[str, Any], rule: Decision, files: Sequence[Path | str]) -> pd.DataFrame:
    """The cells that the rule is about, of the rule's seeds and the run's; other rows and data sets are skipped.

    Raises PatchVAEError for a wrong or doubled file, for files without any such cell, for those with other test images
    or another number of epochs, and for a classifier with other settings than the rule's.
    """
    heads = [*((rule.regime, head) for head in rule.heads), *([(REGIME, PROBE_HEAD)] if rule.probe else [])]
    seeds = sorted({*config["seeds"], *rule.seeds})
    places = itertools.product((rule.better, rule.worse), [rule.dataset], heads, seeds)
    expected = [(model, dataset, *head, seed) for model, dataset, head, seed in places]
    wanted = {cell[:-1] for cell in expected}
    readers = {"finetune": held_to(rule, outcomes(config["select"])), "probe": probe_outcomes}
    frame = collect(
        files, readers, CELL, expected, lambda row: tuple(row[key] for key in CELL[:-1]) not in wanted, partial=True
    )
    agreed(frame.dropna(subset="epochs").astype({"epochs": int}), "epochs", f"epochs of fine-tuning on {rule.dataset}")
    agreed(frame, "test_images", f"test images of {rule.dataset}")
    return frame


def seed_words(seeds: str) -> str:
    """`0` -> `seed 0`, `0 1` -> `seeds 0 and 1`, `3 4 5 6` -> `seeds 3 to 6`."""
    numbers = [int(seed) for seed in seeds.split()]
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"seeds {numbers[0]} to {numbers[-1]}"
    return f"seeds {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def told(line: Any) -> str:
    """`standardised −0.43 (−1.23 to +0.37 over images, seed 0)`, or a dash near chance."""
    if math.isnan(line.difference):
        return f"{head_name(line.head)} {EMPTY}"
    over = " over images" if line.over == IMAGES else ""
    interval = "" if math.isnan(line.low) else f"{signed(line.low)} to {signed(line.high)}{over}, "
    return f"{head_name(line.head)} {signed(line.difference)} ({interval}{seed_words(line.seeds)})"


def missing_words(table: pd.DataFrame) -> str:
    """What is not run of the deciding cells, in words; the classifiers are named where not all lack the same seeds."""
    waiting = table[(table.role == DECIDING) & (table.missing != "")]
    if waiting.missing.nunique() == 1 and len(waiting) == (table.role == DECIDING).sum():
        return seed_words(waiting.missing.iloc[0])
    return "; ".join(f"{seed_words(line.missing)} under {head_name(line.head)}" for line in waiting.itertuples())


def sentence(rule: Decision, table: pd.DataFrame, stand_ins: Collection[str] = ()) -> str:
    """The decision for the README: a bold sentence, then every sign, and what other seeds say.

    table: of `decide`.
    """
    deciding, others = (table[table.role == role] for role in (DECIDING, OTHER))
    verdict = deciding.verdict.iloc[0]
    better, worse = display_name(rule.better), display_name(rule.worse)
    where = f"on {dataset_name(rule.dataset, stand_ins)} {regime_name(rule.regime)}"
    text = {
        NOT_DECIDED: f"the order is not decided ({missing_words(table)} not run)",
        DEPENDS: f"{better} against {worse} is {by_sign(deciding)}",
    }.get(verdict, f"{better} is {verdict} than {worse}")
    heads = ", ".join(head_name(head) for head in deciding["head"])
    paragraphs = [f"**Under classifiers that do not depend on the scale of the features ({heads}), {text}.**"]
    if verdict != NOT_DECIDED:
        paragraphs.append(f"Decided {where}: {'; '.join(map(told, deciding.itertuples()))}.")
    others = others[others.difference.notna()]
    if len(others):
        said = "; ".join(map(told, others.itertuples()))
        paragraphs.append(
            f"Other seeds [decide nothing](decision.md), as some were looked at before. {better} minus {worse} {where},"
            f" {100 * (1 - rule.level):g} % intervals: {said}."
        )
    return "\n\n".join(paragraphs)


def by_sign(deciding: pd.DataFrame) -> str:
    """`better under standardised, not told apart under linear probe`; deciding: lines with signs."""
    found = []
    for sign, words in SAID.items():
        heads = [head_name(head) for head in deciding["head"][deciding.sign == sign]]
        if heads:
            found.append(f"{words} under {'each of them' if len(heads) == len(deciding) else listed(heads)}")
    return listed(found)


def layout(table: pd.DataFrame) -> list[list[str]]:
    """Rows of texts: the classifier, then difference and seeds of either role, and the deciding sign."""
    texts: dict[str, list[str]] = {}
    for line in pd.concat([table[table.role == OTHER], table[table.role == DECIDING]]).itertuples():
        interval = "" if math.isnan(line.low) else f" ({signed(line.low)} to {signed(line.high)})"
        seeds = line.seeds.replace(" ", ", ") + (", over images" if line.over == IMAGES else "")
        cells = [
            signed(line.difference) + interval,
            seeds or EMPTY,
            *([SIGNS[line.sign]] if line.role == DECIDING else []),
        ]
        texts.setdefault(line.head, [head_name(line.head)]).extend(cells)
    return list(texts.values())


def caption(config: Mapping[str, Any], rule: Decision, results: pd.DataFrame, stand_ins: Collection[str]) -> str:
    """The rule and the protocol behind the numbers, in plain sentences."""
    text = [
        f"Run {config['run']}: {display_name(rule.better)} minus {display_name(rule.worse)} on"
        f" {dataset_name(rule.dataset, stand_ins)} at {regime_name(rule.regime)}, top-1 test accuracy in points,"
        f" {WHEN[config['select']]}, under classifiers that do not depend on the scale of the features.",
        "The rule was fixed before its seeds were trained: better if the paired interval over"
        f" {seed_words(_spaced(sorted(rule.seeds)))} at {100 * (1 - rule.level):g} % lies above 0 under every"
        " classifier, worse if below, not decided while any of these cells is missing; in all other cases it depends on"
        " the head.",
        "Other seeds decide nothing; some of them were looked at before the rule stood. In parentheses paired intervals"
        " over seeds, of a single seed over test images. Sign: + above 0, − below 0, ± neither.",
        *head_notes(heads_of(rule)),
    ]
    if results.empty:
        return " ".join(text)
    return " ".join([*text, *schedules(results, [rule.dataset]), measured(results, "fine-tuning and probing")])


def write(
    config: Mapping[str, Any],
    claims_yaml: Path | str,
    scale_free_files: Sequence[Path | str],
    probe_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
    answer: Path | str | None = None,
) -> None:
    """Write the decision of a file of claims as tidy CSV, Markdown, LaTeX and HTML, and its sentence (Markdown).

    config: run, seeds, select; claims_yaml: see `ClaimsFile`, of which `decision` is read; scale_free_files,
    probe_files: at most one fine-tuning or probe per (variant, data set, head, seed), in any order; any may be missing.
    The CSV has the lines of `decide`. Raises PatchVAEError naming the file that is wrong; then nothing is written.
    """
    rule, files = read_claims_file(claims_yaml).decision, [*scale_free_files, *probe_files]
    if rule is None:
        raise PatchVAEError(f"{claims_yaml}: decision: missing")
    none = pd.DataFrame(columns=["model", "head", "seed", "value", "num_classes", "right"])
    results = collect_cells(config, rule, files) if files else none
    stand_ins = stand_ins_of(results) if files else set()
    table = decide(rule, results)
    verdict = table.verdict[table.role == DECIDING].iloc[0]
    missing = f" ({missing_words(table)})" if verdict == NOT_DECIDED else ""
    sheet = Sheet(
        label="decision",
        warning=demo_line([rule.dataset], stand_ins),
        caption=caption(config, rule, results, stand_ins),
        corner="Classifier",
        groups=[("Other seeds:", ["difference", "seeds"]), ("Deciding:", ["difference", "seeds", "sign"])],
        rows=layout(table),
        notes=[f"Decision: {verdict}{missing}."],
        wide=True,
    )
    texts = texts_of(table, 4, sheet, csv, md, tex, html)
    if answer is not None:
        texts[answer] = f"{sentence(rule, table, stand_ins)}\n"
    write_texts(texts)
