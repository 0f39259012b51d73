#!/usr/bin/env bash
# Draws the rules of the Snakefile and the stages of dvc.yaml, a matrix as one box, into docs/. Needs Graphviz.
# Arrows that follow from others are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snakemake --quiet all --rulegraph | tred | dot -Tsvg -Grankdir=LR -o docs/rules.svg
{
  echo 'digraph { rankdir=LR; node [shape=box, style=rounded, fontname=sans, fontsize=10]; edge [color=grey];'
  dvc dag --dot | sed -E 's/@[^"]*"/"/g' | grep '^"' | grep -v '^"\([a-z0-9_]*\)" -> "\1"' | sort -u
  echo '}'
} | tred | dot -Tsvg -o docs/stages.svg
