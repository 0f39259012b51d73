#!/usr/bin/env bash
# Snakemake 9.27.1 refuses a rule's `container:` whose path has a space even without `--sdm apptainer`, because it checks
# the path while it makes the plan. So a workflow whose rules have an image inside the workflow's own folder, as an absolute
# path, does not run at all in a folder whose path has a space.
# Exit status 0: still so; 1: Snakemake behaves otherwise. Installs Snakemake into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1
echo "Snakemake $(venv/bin/snakemake --version)"

# runs IMAGE: whether a workflow whose only rule names this image runs without --sdm
runs() {
  rm -rf work && mkdir work
  printf 'rule one:\n    output: "out.txt"\n    container: "%s"\n    shell: "echo done > {output}"\n' "$1" > work/Snakefile
  if venv/bin/snakemake --directory work --snakefile work/Snakefile --cores 1 > log 2>&1; then
    echo "container: \"$1\": runs, the image is ignored"
  else
    echo "container: \"$1\": $(tail -n 1 log)"
    return 1
  fi
}

if runs "/images/jobs.sif" && ! runs "/my images/jobs.sif"; then
  grep -q "Invalid singularity image URL containing whitespace" log && exit 0
fi
echo "not as described above"
exit 1
