#!/usr/bin/env python3
"""Write DVC's stages of the reports into dvc.yaml, from workflow/reports.py. Call it after an edit there."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src"), str(Path(__file__).parent)]

from reports import REPORTS, ROOT, Report, outputs, paths  # noqa: E402

BEGIN, END = "  # ---- reports, as workflow/stages.py writes them\n", "  # ---- figures, in git\n"


def text_of(pattern: str, report: Report) -> str:
    """A text of reports.py in DVC's notation."""

    def name(found: "re.Match[str]") -> str:
        own = found[1] in report.each
        return "${" + ("item." if own else "") + re.sub(r"\.(\d+)", r"[\1]", found[1]) + "}"

    return re.sub(r"\{([\w.]+)\}", name, pattern)


def listed(key: str, entries: Iterable[str]) -> list[str]:
    """A list of a stage, an entry per line."""
    return [f"    {key}:", *(f"      - {entry}" for entry in entries)]


def values(dotted: str) -> str:
    """The values of a matrix: a list of params.yaml, or one place in a list."""
    name, place = re.fullmatch(r"(.*?)(?:\.(\d+))?", dotted).groups()  # type: ignore[union-attr]
    return f'"${{{name}}}"' if place is None else f'["${{{name}[{place}]}}"]'


def stage(name: str) -> str:
    """One stage."""
    report = REPORTS[name]
    matrix = {key: values(dotted) for key, dotted in report.each.items()}
    if report.when:  # its one value is named in no path: without any, there is no stage
        matrix["when"] = values(report.when)
    made = [text_of(path, report) for path in outputs(name)]
    deps = [f"data/code/{name}.json"]
    deps += [text_of(path.removeprefix("?"), report) for given in report.inputs.values() for path in paths(given)]
    lines = [f"  {name}:"]
    if matrix:
        lines.append("    matrix: {" + ", ".join(f"{key}: {text}" for key, text in matrix.items()) + "}")
    lines.append(f"    cmd: workflow/job {name} {made[0]}")
    lines += listed("deps", deps)
    if report.reads:
        lines += listed("params", [text_of(key, report) for key in report.reads])
    # Curves are large; the rest is small and in git, where it is read and compared.
    kept = "" if made[0].startswith("results/${run}/curves/") else ": {cache: false}"
    lines += listed("metrics" if name == "summary" else "outs", [path + kept for path in made])
    return "\n".join(lines) + "\n"


def with_stages(text: str) -> str:
    """dvc.yaml with the stages of all reports between its two marks."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n".join(map(stage, REPORTS)) + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    path.write_text(with_stages(path.read_text(encoding="utf-8")), encoding="utf-8")
