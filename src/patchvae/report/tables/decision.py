"""The decision on one pair of rows under classifiers that do not depend on the scale of the features."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.report import comparisons
from patchvae.report.tables import words
from patchvae.report.tables.claims_file import Decision, read_claims_file
from patchvae.report.tables.config import File, Files, Selected, Settings
from patchvae.report.tables.finetunings import CELL, accuracies
from patchvae.report.tables.metrics import Row, cells_of, collect, stand_ins_of
from patchvae.report.tables.probe_table import REGIME, probes, with_probe
from patchvae.report.tables.sheet import EMPTY, interval, lines_of, sheet_of, signed, texts_of

Config = Selected
DECIDING, OTHER = "deciding", "other"  # roles of seeds: those of the rule, and all others with results
BETTER, WORSE, DEPENDS = "better", "worse", comparisons.DEPENDS
NOT_DECIDED = "not decided: not run"
SEEDS, IMAGES = "seeds", "images"  # what an interval is over
# Signs of an interval above 0, below it, around it, and of none: as printed, and in words
SIGNS = {"+": ("+", BETTER), "-": ("−", WORSE), "0": ("±", "not told apart"), "": (EMPTY, "near chance")}
TIDY = ["head", "role", "difference", "low", "high", "over", "n", "seeds", "missing", "sign", "verdict"]
READ = ["model", "dataset", "head", "seed", "value", "num_classes", "right"]  # columns where nothing was run
READ += ["stand_in", "pretrained_on", "pretrained_stand_in", "pretrain_epochs"]


def heads_of(rule: Decision) -> list[str]:
    """The classifiers of a rule in their order, the probe last."""
    return [*rule.heads, *([words.PROBE_HEAD] if rule.probe else [])]


def decide(rule: Decision, cells: pd.DataFrame) -> pd.DataFrame:
    """What the rule says: a line per role of seeds and classifier, columns TIDY.

    cells: columns model, head, seed, value (%), num_classes, `right` (see `comparisons.over_images`), of the rule's
    data set and regime; rows, heads and seeds beyond the rule's change nothing. Intervals are at 1 - level: paired over
    seeds, or over test images where a role has a single seed. `seeds` are those that both rows have, `missing` the
    rule's other ones; a deciding line has no number until none is missing, and no line has one near chance.
    `verdict`, on the deciding lines: BETTER if the interval is above 0 under every classifier, WORSE if below,
    NOT_DECIDED while any cell is missing, else DEPENDS.
    """
    lines = [_line(rule, cells, head, role) for role in (DECIDING, OTHER) for head in heads_of(rule)]
    table = pd.DataFrame(lines, columns=TIDY).astype(dict.fromkeys(["difference", "low", "high"], float))
    deciding = table.role == DECIDING
    verdict = {("+",): BETTER, ("-",): WORSE}.get(tuple(set(table.sign[deciding])), DEPENDS)
    if (table.missing != "").any():
        verdict = NOT_DECIDED
    return table.assign(verdict=deciding.map({True: verdict, False: ""}))


def _line(rule: Decision, cells: pd.DataFrame, head: str, role: str) -> dict[str, Any]:
    """The difference under one classifier over the seeds of one role."""
    pair = [rule.better, rule.worse]
    own = (cells["head"] == head) & cells.model.isin(pair) & (cells.seed.isin(rule.seeds) == (role == DECIDING))
    cells = cells[own]
    rows = comparisons.by_seed(cells).reindex(columns=pair).dropna()
    missing = sorted({*rule.seeds} - {*rows.index}) if role == DECIDING else []
    line = {"head": head, "role": role, "n": len(rows), "seeds": _spaced(rows.index), "missing": _spaced(missing)}
    line |= {"over": "", "sign": ""}
    difference = comparisons.of_pairs(rows, *pair)
    if difference is None or rows.empty or missing or comparisons.rows_near_chance(cells):
        return line
    found = difference if len(rows) > 1 else comparisons.over_images(cells, *pair)
    ends = None if found is None else found.interval(1 - rule.level)
    line |= {"difference": difference.value, "over": SEEDS if len(rows) > 1 else IMAGES}
    if ends is None:
        return line
    low, high = ends
    return line | {"low": low, "high": high, "sign": "+" if low > 0 else "-" if high < 0 else "0"}


def _spaced(seeds: Iterable[int]) -> str:
    return " ".join(map(str, seeds))


def held_to(rule: Decision, reader: Callable[[Row], Iterator[Row]]) -> Callable[[Row], Iterator[Row]]:
    """A reader that refuses a classifier of the rule which was not trained with the rule's settings."""

    def rows(content: Row) -> Iterator[Row]:
        for key, value in rule.heads.get(content["head"], {}).items():
            if content["config"].get(key) != value:
                raise ValueError(f"{key} is {content['config'].get(key)!r}, but the rule of the decision has {value!r}")
        yield from reader(content)

    return rows


def seed_words(seeds: str) -> str:
    """`0` -> `seed 0`, `0 1` -> `seeds 0 and 1`, `3 4 5 6` -> `seeds 3 to 6`."""
    first, *others = seeds.split()
    if len(others) > 1 and int(others[-1]) - int(first) == len(others):
        return f"seeds {first} to {others[-1]}"
    return f"{'seeds' if others else 'seed'} {words.listed([first, *others])}"


def told(line: Any) -> str:
    """`standardised −0.43 (−1.23 to +0.37 over images, seed 0)`, or a dash near chance."""
    if math.isnan(line.difference):
        return f"{words.head_name(line.head)} {EMPTY}"
    over = " over images" if line.over == IMAGES else ""
    ends = "" if math.isnan(line.low) else f"{interval(line.low, line.high)}{over}, "
    return f"{words.head_name(line.head)} {signed(line.difference)} ({ends}{seed_words(line.seeds)})"


def missing_words(table: pd.DataFrame) -> str:
    """What is not run of the deciding cells, in words; the classifiers are named where not all lack the same seeds."""
    waiting = table[(table.role == DECIDING) & (table.missing != "")]
    if waiting.missing.nunique() == 1 and len(waiting) == (table.role == DECIDING).sum():
        return seed_words(waiting.missing.iloc[0])
    return "; ".join(f"{seed_words(line.missing)} under {words.head_name(line.head)}" for line in waiting.itertuples())


def sentence(rule: Decision, table: pd.DataFrame, stand_ins: Collection[str] = ()) -> str:
    """The decision for the README: a bold sentence, then every sign, and what other seeds say.

    table: of `decide`.
    """
    deciding, others = (table[table.role == role] for role in (DECIDING, OTHER))
    verdict = deciding.verdict.iloc[0]
    better, worse = words.display_name(rule.better), words.display_name(rule.worse)
    where = f"on {words.dataset_name(rule.dataset, stand_ins)} {words.regime_name(rule.regime)}"
    text = {
        NOT_DECIDED: f"the order is not decided ({missing_words(table)} not run)",
        DEPENDS: f"{better} against {worse} is {by_sign(deciding)}",
    }.get(verdict, f"{better} is {verdict} than {worse}")
    heads = ", ".join(words.head_name(head) for head in deciding["head"])
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
    for sign, (_, said) in SIGNS.items():
        heads = [words.head_name(head) for head in deciding["head"][deciding.sign == sign]]
        if heads:
            found.append(f"{said} under {'each of them' if len(heads) == len(deciding) else words.listed(heads)}")
    return words.listed(found)


def caption(config: Settings, rule: Decision, results: pd.DataFrame) -> list[str]:
    pair = f"{words.display_name(rule.better)} minus {words.display_name(rule.worse)}"
    return [
        f"Run {config['run']}: {pair} on {words.dataset_name(rule.dataset, stand_ins_of(results))} at"
        f" {words.regime_name(rule.regime)}, top-1 test accuracy in points, {words.WHEN[config['select']]}, under"
        " classifiers that do not depend on the scale of the features.",
        "The rule was fixed before its seeds were trained: better if the paired interval over"
        f" {seed_words(_spaced(sorted(rule.seeds)))} at {100 * (1 - rule.level):g} % lies above 0 under every"
        " classifier, worse if below, not decided while any of these cells is missing; in all other cases it depends on"
        " the head.",
        "Other seeds decide nothing; some of them were looked at before the rule stood. In parentheses paired intervals"
        " over seeds, of a single seed over test images. Sign: + above 0, − below 0, ± neither.",
        *words.head_notes(heads_of(rule)),
    ]


def texts(line: Any) -> list[str]:
    """Difference and seeds of a line of `decide`, and the sign of a deciding one."""
    ends = "" if math.isnan(line.low) else f" ({interval(line.low, line.high)})"
    seeds = line.seeds.replace(" ", ", ") + (", over images" if line.over == IMAGES else "")
    sign = [SIGNS[line.sign][0]] if line.role == DECIDING else []
    return [signed(line.difference) + ends, seeds or EMPTY, *sign]


def report(config: Settings, claims_yaml: File, scale_free_files: Files, probe_files: Files) -> dict[str, str]:
    """The decision of a file of claims, and its sentence. The CSV has the lines of `decide`.

    claims_yaml: see `ClaimsFile`, of which `decision` is read; scale_free_files, probe_files: fine-tunings and probes,
    of which any may be missing.
    """
    rule, files = read_claims_file(claims_yaml).decision, [*scale_free_files, *probe_files]
    if rule is None:
        raise PatchVAEError(f"{claims_yaml}: decision: missing")
    place = {"dataset": [rule.dataset], "regime": [rule.regime, REGIME], "head": heads_of(rule)}
    cells = cells_of(model=[rule.better, rule.worse], **place, seed=sorted({*config["seeds"], *rule.seeds}))
    readers = {"finetune": held_to(rule, accuracies(config["select"])), "probe": probes}
    # The folders have other rows and data sets, too.
    results = collect(files, readers, with_probe(cells), others=CELL[:-1]) if files else pd.DataFrame(columns=READ)
    table = decide(rule, results)
    verdict = table.verdict.iloc[0]
    verdict += f" ({missing_words(table)})" if verdict == NOT_DECIDED else ""
    groups = [("Other seeds:", ["difference", "seeds"]), ("Deciding:", ["difference", "seeds", "sign"])]
    rows = lines_of(table.sort_values("role", ascending=False, kind="stable"), "head", words.head_name, texts)
    text, notes = caption(config, rule, results), [f"Decision: {verdict}."]
    parts: Any = {"label": "decision", "corner": "Classifier", "groups": groups, "rows": rows, "notes": notes}
    sheet = sheet_of(results, [rule.dataset], text, "fine-tuning and probing", wide=True, **parts)
    return texts_of(table, 4, sheet) | {"answer": f"{sentence(rule, table, stand_ins_of(results))}\n"}
