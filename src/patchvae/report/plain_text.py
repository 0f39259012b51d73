"""Plain text for a terminal: aligned columns, and values of several seeds."""

import json
import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 98  # 100 columns with an indent of two; longer paths and digests are not cut
UNTOLD = "not recorded"  # by early metrics files


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for first, *others in (head, *rows):
        texts = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *texts]))
    return lines


def pairs(named: Mapping[str, str]) -> list[str]:
    """A line per name and value, the values aligned; long values are wrapped."""
    width = max(map(len, named), default=0) + 3
    wrapper = textwrap.TextWrapper(WIDTH - width, break_long_words=False, break_on_hyphens=False)
    lines = []
    for name, value in named.items():
        first, *rest = wrapper.wrap(value) or [""]
        lines += [f"{name}:".ljust(width) + first, *(" " * width + line for line in rest)]
    return lines


def flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys in order, with their values as in YAML."""
    for key, value in sorted(block.items()):
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def told(blocks: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
    """One text per dotted key of the blocks: its value, or each value with its seeds where they differ."""
    values: dict[str, dict[int, str]] = {}
    for seed, block in blocks.items():
        for key, value in flat(block):
            values.setdefault(key, {})[seed] = value
    return {key: in_common({seed: by_seed.get(seed, UNTOLD) for seed in blocks}) for key, by_seed in values.items()}


def in_common(values: Mapping[int, str]) -> str:
    """The value of all seeds, or each value with its seeds; seeds as values stand alone."""
    seeds: dict[str, list[str]] = {}
    for seed, value in values.items():
        seeds.setdefault(value, []).append(str(seed))
    if len(seeds) == 1:
        return next(iter(seeds))
    return "; ".join(
        value if [value] == found else f"{value} (seed {', '.join(found)})" for value, found in seeds.items()
    )


def over_seeds(head: Mapping[str, int], rows: Mapping[int, Sequence[float | None]]) -> list[str]:
    """A line per seed, then mean and sample standard deviation of each column where there are two seeds or more.

    head: names of the columns with their numbers of digits; a column with a gap has no mean.
    """

    def line(name: str, values: Sequence[float | None]) -> list[str]:
        numbers = zip(values, head.values(), strict=True)
        return [name, *("-" if value is None else f"{value:.{digits}f}" for value, digits in numbers)]

    lines = [line(f"seed {seed}", values) for seed, values in rows.items()]
    if len(rows) > 1:
        for name, measure in (("mean", statistics.fmean), ("sd", statistics.stdev)):
            found = [None if None in column else measure(column) for column in zip(*rows.values(), strict=True)]
            lines.append(line(name, found))
    return columns(["", *head], lines)
