"""The run's measured numbers as one nested JSON, which `dvc metrics` and `dvc exp show` compare between revisions."""

import csv
import json
import math
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.report.tables.config import File, Files, Settings

# Pattern of a table's name -> the columns that its numbers are nested by
LEVELS = {
    "table1": ("dataset", "regime", "head", "model"),
    "table2": ("metric", "model"),
    "table7": ("metric", "model"),
    "parts": ("dataset", "method", "metric"),
    "sweep_*": ("dataset", "value"),
    "probe_*": ("dataset", "model"),
    "few_labels_*": ("dataset", "per_class", "model"),
    "lengths_*": ("dataset", "head", "variant", "epochs"),
    "sensitivity_*": ("dataset", "select", "head", "model"),
}
DIGITS = 4


def levels(path: File, header: Sequence[str]) -> Sequence[str]:
    """The columns that a table's numbers are nested by: those of LEVELS, else all before the numbers.

    Empty for another table without a column `mean`, which holds no numbers of ours.
    """
    for pattern, columns in LEVELS.items():
        if fnmatch(Path(path).stem, pattern):
            return columns
    if "mean" not in header:
        return ()
    first = min(header.index(column) for column in ("paper", "mean") if column in header)
    return [column for column in header[:first] if column != "stand_in"]


def means(path: File) -> dict[str, Any]:
    """Our means of one table's CSV in the table's units (percent, dB or none), nested by its `levels`.

    Cells without a number of ours are left out.
    Raises PatchVAEError naming a file that is no such CSV.
    """
    found: dict[str, Any] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = levels(path, list(reader.fieldnames or []))
            for row in (row for row in reader if columns and row["mean"]):
                if not math.isfinite(float(row["mean"])):
                    raise ValueError(f"a mean is {row['mean']}")
                node: dict[str, Any] = found
                for column in columns[:-1]:
                    node = node.setdefault(row[column], {})
                node[row[columns[-1]]] = round(float(row["mean"]), DIGITS)
    except KeyError as error:
        raise PatchVAEError(f"{path}: no column {error.args[0]}") from error
    except (OSError, ValueError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    return found


def report(config: Settings, tables: Files) -> dict[str, str]:
    """The means of the tables as JSON: table -> `levels` -> mean; a table without means is left out.

    config: nothing; tables: all files of a folder of tables, of which the CSVs are read.
    """
    content = {path.stem: means(path) for path in map(Path, tables) if path.suffix == ".csv"}
    found = {name: block for name, block in content.items() if block}
    return {"out": json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n"}
