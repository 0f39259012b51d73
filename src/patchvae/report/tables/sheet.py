"""A table as CSV, Markdown, LaTeX and HTML."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from typing import Any

import numpy as np
import pandas as pd

from patchvae.report.tables.finetunings import schedules
from patchvae.report.tables.metrics import best, stand_ins_of
from patchvae.report.tables.words import dataset_name, demo_line, measured

EMPTY = "—"
FEWER = "[n]: of n seeds so far, where others have more."
BOLD, END = "\0", "\1"  # not touched by escaping
LATEX = {character: "\\" + character for character in "{}&%$#_"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "φ": r"$\phi$",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "—": "---",
}
SYMBOLS = {
    "L_w": "$L_w$",
    "d_p": "$d_p$",
    "β_occ": r"$\beta_{\mathrm{occ}}$",
    "z_occ^prior": r"$z_{\mathrm{occ}}^{\mathrm{prior}}$",
}
HTML_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><style>
body { font: 14px/1.45 sans-serif; margin: 1.5em; max-width: 75em }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; font-variant-numeric: tabular-nums }
th, td { padding: .2em .7em; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
tr:has(th) + tr:has(td) > td { border-top: 1px solid }
th[colspan] { text-align: center }
.warning { font-weight: bold }
</style></head><body>"""
SYMBOL = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, SYMBOLS))})(?!\w)")


def escape(text: str) -> str:
    """Text for LaTeX; the paper's symbols become formulas."""
    parts = SYMBOL.split(text)
    return "".join(SYMBOLS.get(part) or "".join(LATEX.get(c, c) for c in part) for part in parts)


@dataclass(frozen=True)
class Sheet:
    """A table as printed.

    groups: headings over columns, each with the names of its columns; rows: texts, the row's name first; notes:
    sentences under the table; wide: over both columns of a page. Bold is between BOLD and END.
    """

    label: str
    caption: str
    corner: str
    groups: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[Sequence[str]]
    warning: str = ""
    notes: Sequence[str] = ()
    wide: bool = False

    @property
    def names(self) -> list[str]:
        """Of all columns, that of the rows' names first."""
        return [self.corner, *(name for _, names in self.groups for name in names)]

    @property
    def grouped(self) -> bool:
        """Whether there are headings over columns."""
        return any(heading for heading, _ in self.groups)

    def markdown(self) -> str:
        """As Markdown, the caption above it."""
        columns = [f"{heading} {name}".strip() for heading, names in self.groups for name in names]
        rows = [[self.corner, *columns], ["---", *["---:"] * len(columns)], *self.rows]
        lines = [f"> **{self.warning}**", ""] if self.warning else []
        lines += [self.caption, ""]
        lines += ["| " + " | ".join(row).replace(BOLD, "**").replace(END, "**") + " |" for row in rows]
        lines += ["", " ".join(self.notes)] if self.notes else []
        return "\n".join([*lines, ""])

    def latex(self) -> str:
        """As a LaTeX float for `\\input`, shrunk to the page's width; needs booktabs and graphicx."""
        warning = rf"\textbf{{{escape(self.warning)}}} " if self.warning else ""
        heads, rules, first = [], [], 2
        for heading, names in self.groups:
            heads.append(rf"\multicolumn{{{len(names)}}}{{c}}{{{escape(heading)}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + len(names) - 1}}}")
            first += len(names)
        rows = [" & ".join(map(escape, row)) + r" \\" for row in self.rows]
        float_name = "table*" if self.wide else "table"
        notes = [rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escape(' '.join(self.notes))}}}"]
        lines = [
            r"% Generated. Needs \usepackage{booktabs,graphicx}.",
            rf"\begin{{{float_name}}}",
            r"\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}",
            rf"\caption{{{warning}{escape(self.caption)}}}",
            rf"\label{{tab:{self.label}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(self.names) - 1)}}}",
            r"\toprule",
            *(["& " + " & ".join(heads) + r" \\", "".join(rules)] if self.grouped else []),
            " & ".join(map(escape, self.names)) + r" \\",
            r"\midrule",
            *(row.replace(BOLD, r"\textbf{").replace(END, "}") for row in rows),
            r"\bottomrule",
            r"\end{tabular}}",
            *(notes if self.notes else []),
            rf"\end{{{float_name}}}",
        ]
        return "\n".join([*lines, ""])

    def html(self) -> str:
        """As a page, for the report."""
        lines = [HTML_HEAD, f'<p class="warning">{hypertext(self.warning)}</p>' if self.warning else ""]
        lines.append("<table>")
        if self.grouped:
            heads = [f'<th colspan="{len(columns)}">{hypertext(heading)}</th>' for heading, columns in self.groups]
            lines.append(f"<tr><th></th>{''.join(heads)}</tr>")
        lines.append("".join(["<tr>", *(f"<th>{hypertext(name)}</th>" for name in self.names), "</tr>"]))
        lines += ["<tr>" + "".join(f"<td>{hypertext(text)}</td>" for text in row) + "</tr>" for row in self.rows]
        lines += ["</table>", *(f"<p>{hypertext(text)}</p>" for text in [self.caption, *self.notes])]
        return "\n".join([*filter(None, lines), "</body></html>", ""])


def hypertext(text: str) -> str:
    """Text for HTML."""
    return escape_html(text).replace(BOLD, "<b>").replace(END, "</b>")


def ours(row: Any, digits: int, seeds: int = 0) -> str:
    """`mean ± std` of a cell with `mean`, `std`, `n` and `best`, or a dash where nothing was run.

    seeds: how many a cell should have; where it has fewer, their number is printed, which FEWER explains.
    """
    if not row.n:
        return EMPTY
    text = f"{row.mean:.{digits}f}" + ("" if pd.isna(row.std) else f" ± {row.std:.{digits}f}")
    text = f"{BOLD}{text}{END}" if row.best else text
    return text if row.n >= seeds else f"{text} [{row.n}]"


def fewer(table: pd.DataFrame, seeds: int) -> list[str]:
    """The note of a table with a column `n`, if `ours` prints a number of seeds anywhere."""
    return [FEWER] if ((table.n > 0) & (table.n < seeds)).any() else []


def signed(value: float) -> str:
    """Points with their sign, or a dash for NaN."""
    return EMPTY if math.isnan(value) else f"{value:+.2f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """`+0.10 to +0.50`, or a dash for NaN."""
    return EMPTY if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def lines_of(
    table: pd.DataFrame, key: str, name: Callable[[Any], str], cells: Callable[[Any], list[str]]
) -> list[list[str]]:
    """A line of a sheet per value of a column: its name, then the texts of each of its rows in the table's order."""
    lines: dict[Any, list[str]] = {}
    for row in table.itertuples():
        value = getattr(row, key)
        lines.setdefault(value, [name(value)]).extend(cells(row))
    return list(lines.values())


def with_numbers(lines: Sequence[list[str]]) -> list[list[str]]:
    """The lines of a sheet that hold any number."""
    return [line for line in lines if any(text != EMPTY for text in line[1:])]


def side_by_side(
    table: pd.DataFrame,
    row: str,
    column: str,
    headings: Mapping[str, str],
    digits: int,
    name: Callable[[str], str],
    lowest: Sequence[str] = (),
) -> dict[str, Any]:
    """`groups` of columns `paper | ours`, and `rows`, the lines that hold any number, of a sheet.

    table: columns `row`, `column`, paper, mean, std, n; headings: value of `column` -> heading, in the table's order;
    name: of a line, by its value of `row`; lowest: see `metrics.best`. Groups without any number of the paper have no
    column `paper`.
    """
    printed = set(table[column][table.paper.notna()])

    def cells(cell: Any) -> list[str]:
        paper = EMPTY if pd.isna(cell.paper) else f"{cell.paper:.{digits}f}"
        return [*([paper] if getattr(cell, column) in printed else []), ours(cell, digits)]

    groups = [(heading, ["paper", "ours"] if value in printed else ["ours"]) for value, heading in headings.items()]
    marked = table.assign(best=best(table, [column], digits, lowest))
    return {"groups": groups, "rows": with_numbers(lines_of(marked, row, name, cells))}


def sheet_of(
    results: pd.DataFrame,
    datasets: Sequence[str],
    caption: Sequence[str],
    what: str = "fine-tuning",
    scheduled: bool = True,
    columns: Sequence[str] = (),
    **parts: Any,
) -> Sheet:
    """The sheet of measured numbers: with a warning where stand-ins were measured, and at the caption's end how.

    results: of `metrics.collect`; caption: its first sentences; what: took the time of `measured`; scheduled: whether
    the sentences of `schedules` stand before that; columns: their names under each data set, unless `groups` is among
    the other fields, `parts`.
    """
    stand_ins = stand_ins_of(results)
    groups = {"groups": [(dataset_name(dataset, stand_ins), columns) for dataset in datasets]}
    sentences = [*caption, *(schedules(results, datasets) if scheduled else [])]
    sentences += [] if results.empty else [measured(results, what)]
    return Sheet(warning=demo_line(datasets, stand_ins), caption=" ".join(sentences), **groups | parts)


def texts_of(table: pd.DataFrame, digits: int, sheet: Sheet) -> dict[str, str]:
    """A table's files by their names in plan/reports.py: its tidy CSV, whose numbers have `digits`, and its sheet."""

    def lower(value: Any) -> Any:
        return str(value).lower() if isinstance(value, bool | np.bool_) else value

    flags = table.select_dtypes(exclude="number").map(lower)
    csv = table.assign(**flags).to_csv(index=False, float_format=f"%.{digits}f", lineterminator="\n")
    return {"csv": csv, "md": sheet.markdown(), "tex": sheet.latex(), "html": sheet.html()}
