"""Settings of every table."""

from patchvae.params.types import RunName, Seed, Select, Some, Strict


class Report(Strict):
    run: RunName
    seeds: Some[Seed]


class Selected(Report):
    """Of a table of fine-tunings, each at the selected epoch."""

    select: Select
