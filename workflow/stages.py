#!/usr/bin/env python3
"""Write DVC's stages into dvc.yaml; call it after an edit of plan/kinds.py or reports.py, or for a new swept key."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engines import ROOT

from patchvae.errors import PatchVAEError
from patchvae.params.reading import Params, load_params
from patchvae.plan.layout import KINDS, OUTPUTS, Files, Stage, own_files, paths, spelled, stages

BEGIN, END = "  # ---- as workflow/stages.py writes them\n", "# ---- plots\n"
WIDTH = 120


def in_dvc(text: str, stage: Stage) -> str:
    """A text of plan/kinds.py or reports.py in DVC's notation."""

    def name(found: "re.Match[str]") -> str:
        return "${" + ("item." if found[1] in stage.each else "") + re.sub(r"\.(\d+)", r"[\1]", found[1]) + "}"

    return re.sub(r"\{([\w.]+)\}", name, spelled(text, stage))


def quoted(entry: str) -> str:
    """An entry of a list, with quotes around a name that has braces."""
    return re.sub(r"^([^:]*\$[^:]*)", r'"\1"', entry)


def values(files: Files) -> str:
    """The values of a name in a matrix."""
    if isinstance(files, str):
        return quoted(f"${{{files}}}")
    return f"[{', '.join(quoted(in_dvc(text, Stage('', {}))) for text in files)}]"


def fields(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    """The lists of what a stage reads and makes, by their keys in dvc.yaml."""
    rule, kind = stage.rule, KINDS[stage.rule]
    own = own_files(rule)
    read = [own["path"], *(path for files in kind.inputs.values() for path in paths(files)), *stage.inputs.values()]
    # DVC has no dependency that may be missing, so the folder of such a file stands for it.
    read = [Path(path[1:]).parent.as_posix() if path.startswith("?") else path for path in read]
    yield "deps", [in_dvc(path, stage) for path in read]
    made = {"outs": [*OUTPUTS[rule], own["record"]]}
    if rule == "summary":
        made = {"metrics": OUTPUTS[rule], "outs": [own["record"]]}
    # Tables, figures and the summary are small and in git, where they are read and compared.
    small = re.compile(r"results/\{run\}/(tables|figures|summary)")
    for name, files in made.items():
        yield name, [in_dvc(path, stage) + (": {cache: false}" if small.match(path) else "") for path in files]


def listed(key: str, entries: list[str], anchor: str) -> str:
    """A list of a stage, as many entries on a line as fit."""
    lines = [f"    {key}: {anchor}["]
    for entry in entries:
        text = quoted(entry) + ", "
        if len(lines[-1] + text) > WIDTH and not lines[-1].endswith("["):
            lines.append("      ")
        lines[-1] += text
    return "\n".join(line.rstrip() for line in lines).rstrip(",") + "]\n"


def written(params: Params) -> Iterator[str]:
    """The text of every stage; a long list that several have is written once, in the first of them."""
    known = [key for key in params["ablations"] if "." not in key]  # DVC takes a dot for a path into a block
    found = [(name, stage, dict(fields(stage))) for name, stage in stages(params, known)]
    times = Counter((key, *entries) for *_, lists in found for key, entries in lists.items() if len(str(entries)) > 80)
    owners: dict[tuple[str, ...], str] = {}
    for name, stage, lists in found:
        text = f"  {name}:\n"
        if stage.each:
            text += f"    matrix: {{{', '.join(f'{key}: {values(files)}' for key, files in stage.each.items())}}}\n"
        text += f"    cmd: workflow/job {lists['deps'][0]}\n"
        for key, entries in lists.items():
            owner = owners.setdefault((key, *entries), name)
            anchor = f"{owner}_{key}" if times[key, *entries] > 1 else ""
            if anchor and owner != name:
                text += f"    {key}: *{anchor}\n"
            elif entries:
                text += listed(key, entries, anchor and f"&{anchor} ")
        yield text


def with_stages(text: str, params: Params) -> str:
    """dvc.yaml with all stages between its two marks."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n".join(written(params)) + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    try:
        text = with_stages(path.read_text(encoding="utf-8"), load_params([ROOT / "params.yaml"]))
    except PatchVAEError as error:
        sys.exit(str(error))
    path.write_text(text, encoding="utf-8")
