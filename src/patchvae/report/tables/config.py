"""Settings of every table, and what every module of a table has.

Config: its settings; caption: its caption's first sentences, on the protocol behind the numbers; report: the texts of
its files by their names in plan/reports.py. That raises PatchVAEError naming a file that is wrong or a missing cell.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.params.types import Name, Regime, RowName, RunName, Seed, Select, Some, Strict

Settings = Mapping[str, Any]  # of one table, as its `Config` has them
File = Path | str
Files = Sequence[File]


class Report(Strict):
    run: RunName
    seeds: Some[Seed]


class Selected(Report):
    """Of a table of fine-tunings, each at the selected epoch."""

    select: Select


class Accuracies(Selected):
    """Of what reads the fine-tunings of Table 1."""

    datasets: Some[Name]
    variants: Some[RowName]
    regimes: Some[Regime]
    heads: Some[Name]
