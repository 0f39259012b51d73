"""What every table is told."""

from patchvae.types import RunName, Seed, Select, Some, Strict


class Report(Strict):
    run: RunName
    seeds: Some[Seed]


class Selected(Report):
    """Of fine-tunings, each at the epoch that is selected."""

    select: Select
