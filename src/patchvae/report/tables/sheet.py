"""A table as Markdown, LaTeX and HTML, and the files that hold it."""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.files import atomic

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
        names = [name for _, columns in self.groups for name in columns]
        warning = rf"\textbf{{{escape(self.warning)}}} " if self.warning else ""
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
            rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"\toprule",
            *(self._headings() if any(heading for heading, _ in self.groups) else []),
            " & ".join(map(escape, [self.corner, *names])) + r" \\",
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
        names = [name for _, columns in self.groups for name in columns]
        lines = [HTML_HEAD, f'<p class="warning">{hypertext(self.warning)}</p>' if self.warning else ""]
        lines.append("<table>")
        if any(heading for heading, _ in self.groups):
            heads = [f'<th colspan="{len(columns)}">{hypertext(heading)}</th>' for heading, columns in self.groups]
            lines.append(f"<tr><th></th>{''.join(heads)}</tr>")
        lines.append("".join(["<tr>", *(f"<th>{hypertext(name)}</th>" for name in [self.corner, *names]), "</tr>"]))
        lines += ["<tr>" + "".join(f"<td>{hypertext(text)}</td>" for text in row) + "</tr>" for row in self.rows]
        lines += ["</table>", *(f"<p>{hypertext(text)}</p>" for text in [self.caption, *self.notes])]
        return "\n".join([*filter(None, lines), "</body></html>", ""])

    def _headings(self) -> list[str]:
        heads, rules, first = [], [], 2
        for heading, names in self.groups:
            heads.append(rf"\multicolumn{{{len(names)}}}{{c}}{{{escape(heading)}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + len(names) - 1}}}")
            first += len(names)
        return ["& " + " & ".join(heads) + r" \\", "".join(rules)]


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


def side_by_side(
    table: pd.DataFrame, row: str, column: str, headings: Mapping[str, str], digits: int
) -> tuple[list[tuple[str, Sequence[str]]], dict[str, list[str]]]:
    """Groups of columns `paper | ours`, and the texts of each row by its key, without rows that hold no number.

    table: columns `row`, `column`, paper, mean, std, n, best; headings: value of `column` -> heading. Groups without
    any number of the paper have no column `paper`.
    """
    groups: list[tuple[str, Sequence[str]]] = []
    texts: dict[str, list[str]] = {key: [] for key in table[row]}
    for value, heading in headings.items():
        cells = table[table[column] == value]
        printed = bool(cells.paper.notna().any())
        groups.append((heading, ["paper", "ours"] if printed else ["ours"]))
        for cell in cells.set_index(row).itertuples():
            paper = EMPTY if pd.isna(cell.paper) else f"{cell.paper:.{digits}f}"
            texts[str(cell.Index)] += ([paper] if printed else []) + [ours(cell, digits)]
    return groups, {key: cells for key, cells in texts.items() if any(text != EMPTY for text in cells)}


def texts_of(table: pd.DataFrame, digits: int, sheet: Sheet, *paths: Path | str) -> dict[Path | str, str]:
    """A table's tidy CSV, Markdown, LaTeX and HTML by their paths, in this order."""
    csv = table.to_csv(index=False, float_format=f"%.{digits}f", lineterminator="\n")
    return dict(zip(paths, (csv, sheet.markdown(), sheet.latex(), sheet.html()), strict=True))


def write_texts(texts: Mapping[Path | str, str]) -> None:
    """Write texts to paths, all or none: files are renamed once all are written."""
    with contextlib.ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(atomic(path)).write_text(text, encoding="utf-8")
