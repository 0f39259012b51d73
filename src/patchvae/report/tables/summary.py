"""The run's measured numbers as one nested JSON, which `dvc metrics` and `dvc exp show` compare between revisions."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import write_json

# Table -> the columns that its numbers are nested by
LEVELS = {
    "table1": ("dataset", "regime", "head", "model"),
    "table2": ("metric", "model"),
    "table7": ("metric", "model"),
    "parts": ("dataset", "method", "metric"),
}
# The same for tables by the beginnings of their names, which a swept key or a data set follows
BY_PREFIX = {
    "sweep_": ("dataset", "value"),
    "probe_": ("dataset", "model"),
    "few_labels_": ("dataset", "per_class", "model"),
    "lengths_": ("dataset", "head", "variant", "epochs"),
    "sensitivity_": ("dataset", "select", "head", "model"),
}
DIGITS = 4


def levels(path: Path | str, header: Sequence[str]) -> tuple[str, ...]:
    """The columns that a table's numbers are nested by: by its name, else all before the numbers.

    Empty for another table without a column `mean`, which holds no numbers of ours.
    """
    name = Path(path).stem
    for prefix, columns in BY_PREFIX.items():
        if name.startswith(prefix):
            return columns
    if name in LEVELS:
        return LEVELS[name]
    first = min(header.index(column) for column in ("paper", "mean") if column in header) if "mean" in header else 0
    return tuple(column for column in header[:first] if column != "stand_in")


def means(path: Path | str) -> dict[str, Any]:
    """Our means of one table's CSV in the table's units (percent, dB or none), nested by its `levels`.

    Cells without a number of ours are left out.
    Raises PatchVAEError naming a file that is no such CSV.
    """
    found: dict[str, Any] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = levels(path, list(reader.fieldnames or []))
            for row in reader if columns else ():
                if row["mean"] == "":
                    continue
                mean = float(row["mean"])
                if not math.isfinite(mean):
                    raise ValueError(f"a mean is {mean}")
                node: dict[str, Any] = found
                for column in columns[:-1]:
                    node = node.setdefault(row[column], {})
                node[row[columns[-1]]] = round(mean, DIGITS)
    except KeyError as error:
        raise PatchVAEError(f"{path}: no column {error.args[0]}") from error
    except (OSError, ValueError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    return found


def write(config: Mapping[str, Any], tables: Sequence[Path | str], out: Path | str) -> None:
    """Write the means of the tables as JSON: table -> `levels` -> mean; a table without means is left out.

    config: nothing; tables: all files of a folder of tables, of which the CSVs are read.
    Raises PatchVAEError naming the file that is wrong; then nothing is written.
    """
    content = {path.stem: means(path) for path in map(Path, tables) if path.suffix == ".csv"}
    write_json(out, {name: block for name, block in content.items() if block})
