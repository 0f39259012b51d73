# make demo       Table 1 without the -GAN rows, a sweep, part discovery and the figures, on data that needs no download
# make miniature  the same way everything: all rows, 64x64 images, Tables 2 and 7
# make test       lint, types, unit tests, workflow tests, a small run from end to end under both engines
# make test-all   the same with what is slow: every edit with real trainings, kills at random moments, the archives in
#                 the folder PATCHVAE_ARCHIVES, if it is set; then `make miniature` and
# make test-older edits under Snakemake 9.19 and DVC 3.63
# make test-gpu   trainings on an NVIDIA GPU; without a .venv here by any Python with PyTorch, pytest, pydantic and
#                 ruamel.yaml: `make test-gpu PYTHON=python3`
# make test-slurm the demo, and a run full of faults, on a SLURM of one node that it starts here; needs root and two packages
# make venv       only .venv, which the others build when it is missing or older than the lock

# The first Python that fits and can make environments; `make PYTHON=/path/to/python3.12` for another.
FITS := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  "$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin

.PHONY: demo miniature lint test test-all test-older test-gpu test-slurm venv

demo miniature: .venv/stamp
	$(BIN)/snakemake --configfile configs/$@.yaml --quiet host reason
	$(BIN)/snakemake --configfile configs/$@.yaml --quiet all --report results/$@/report.html
	@cat results/$@/tables/table1.md
	@echo
	@echo "Everything in one page:  results/$@/report.html"
	@echo "Tables:                  results/$@/tables/ (table1.md, .csv, .tex, .html; ...)"
	@echo "Weight masks (Fig. 6):   results/$@/figures/figure6_digits.png (.pdf)"
	@echo "Occurrence (Fig. 3):     results/$@/figures/figure3_digits.png (.pdf)"

# Three workers on two cores, since many tests wait for an engine; they take work from each other, since the longest
# tests stand in one file.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal

test: lint
	$(PYTEST) -m "not slow" tests

test-all: lint
	$(PYTEST) tests
	$(MAKE) miniature test-older

# The same Python and packages, and before them the engines of several minor releases ago
test-older: .venv/stamp
	$(BIN)/python -m venv .venv-older
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$(.venv-older/bin/python -c \
	  'import sysconfig; print(sysconfig.get_path("purelib"))')/newer.pth
	.venv-older/bin/python -m pip install --quiet --no-deps snakemake==9.19.0 dvc==3.63.0 pathspec==0.12.1
	PATCHVAE_ENGINES=$$PWD/.venv-older/bin $(PYTEST) -m "not slow" tests/e2e/test_edits.py

test-gpu:
	PYTHONPATH=src:$$PYTHONPATH "$(if $(wildcard .venv/stamp),$(BIN)/python,$(PYTHON))" -m pytest -m gpu tests/unit/training/test_gpu.py tests/unit/test_hardware.py

test-slurm: .venv/stamp
	$(BIN)/python -m pytest -s tests/slurm/on_slurm.py

lint: .venv/stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

venv: .venv/stamp

.venv/stamp: requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 with the venv module is needed" \
	  "and was not found: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# For `snakemake --sdm conda`, which copies the file away: it lists the packages itself. A test holds it to the lock.
workflow/envs/patchvae.yaml: requirements.lock
	{ echo '# Everything that requirements.lock pins, for `snakemake --sdm conda`. Written by `make $@`.'; \
	  printf '%s\n' 'channels:' '  - conda-forge' '  - nodefaults' 'dependencies:' '  - python=3.12' '  - pip' '  - pip:'; \
	  sed -n 's/^[a-z].*==/      - &/p' requirements.lock; } > $@
