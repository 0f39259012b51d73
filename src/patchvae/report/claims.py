"""The table of claims, and the figure of the numbers behind it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.report.answer import draw_answer
from patchvae.report.tables.claims import write_claims


def report_claims(
    config: Mapping[str, Any],
    claims_csv: Path | str,
    paper_csv: Path | str,
    spread_csvs: Sequence[Path | str],
    metrics_files: Sequence[Path | str],
    texts: tuple[Path | str, Path | str, Path | str, Path | str],
    png: Path | str,
    pdf: Path | str,
    answer: Path | str,
) -> None:
    """Write the table (texts: CSV, Markdown, LaTeX, HTML) and the answer (`write_claims`), and draw `draw_answer`."""
    write_claims(config, claims_csv, paper_csv, spread_csvs, metrics_files, *texts, answer)
    draw_answer(config, paper_csv, metrics_files, png, pdf)
