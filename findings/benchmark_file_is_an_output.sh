#!/usr/bin/env bash
# Snakemake 9.27.1 compares the age of a rule's `benchmark:` file with that of its inputs, as if it were an output. If a
# person or DVC makes the output again, the benchmark file stays old. If an input is newer than that file and older than
# the output, the job is planned with the reason "Updated input files", although every output is newer than every input.
# After `touch` of the benchmark file the job is not planned any more.
# Exit status 0: still so; 1: Snakemake behaves otherwise. Installs Snakemake into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1
echo "Snakemake $(venv/bin/snakemake --version)"

printf 'rule copy:\n    input: "in.txt"\n    output: "out.txt"\n    benchmark: "seconds.tsv"\n    shell: "cp {input} {output}"\n' > Snakefile
# planned: how many jobs Snakemake would run
planned() { venv/bin/snakemake --cores 1 --dry-run --rerun-triggers mtime 2>&1 | grep -c "^rule copy:" || true; }

echo text > in.txt
venv/bin/snakemake --cores 1 --quiet all 2> /dev/null
first=$(planned)
echo "another text" > in.txt
cp in.txt out.txt
touch -d "2000-01-01" seconds.tsv
touch -d "2000-01-02" in.txt
second=$(planned)
touch seconds.tsv
third=$(planned)
echo "jobs planned: after a run $first; output made again by hand, benchmark file old $second; benchmark file new $third"
[ "$first $second $third" = "0 1 0" ] && exit 0
echo "not as described above"
exit 1
