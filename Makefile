# Builds what is missing, then runs. Everything is installed into the folder .venv.

PYTHON ?= $(shell python3.11 -c "" 2> /dev/null && echo python3.11 || echo python3)
UV = $(shell uv --version > /dev/null 2>&1 && echo uv || echo .venv/bin/uv)
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"
GRID ?= mnist
GRIDS = $(patsubst results/%/runs.csv,%,$(wildcard results/*/runs.csv))
SLURM := slurm-wlm slurm-wlm-basic-plugins munge
# Without `collect`, Snakemake takes runs.csv and curves.csv.gz as they are, and never trains.
# `--nolock`: nothing of this is what a workflow that trains in the same folder is at work on.
FROM_RUNS := --nolock --forceall --allowed-rules all config table summary figure report
# glibc keeps what a step frees for the next step. Otherwise the system clears large blocks anew, a third of conv2's time.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456

.PHONY: help install paper smoke test test-slow test-all test-slurm test-conda test-versions test-container test-crate test-faults report docs collect measure bench epochs scale lint lock

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

install: .venv/installed ## Install all packages, pinned, into .venv.

smoke: .venv/installed ## Reproduce a reduced version of the paper in minutes: figures, tables and report.
	$(RUN) $(KEEP_MEMORY) snakemake --cores 2 --configfile config/smoke.yaml --config runs_per_job=9
	@$(RUN) slotmachines show config/smoke.yaml

test: .venv/installed ## Run the tests that take seconds.
	OMP_NUM_THREADS=1 $(RUN) pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: .venv/installed ## Run the tests that take minutes: whole workflows, processes that are killed.
	OMP_NUM_THREADS=1 $(RUN) pytest -q -n 2 --dist loadfile -m slow

test-all: test test-slow ## Run the quick and the slow tests.

# The interrupt lets the test stop the cluster that it started.
test-slurm: .venv/installed ## Test the profile on a SLURM of its own with simulated GPUs (Debian; root, if SLURM is to be installed).
	@command -v slurmctld > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(SLURM); }
	$(RUN) timeout --signal=INT --kill-after=60 1800 pytest -q -n 0 tests/slurm

test-conda: .venv/installed ## Test --use-conda with a stand-in for conda.
	$(UV) pip install --quiet --target .venv/rattler py-rattler==0.28.0
	$(RUN) timeout --kill-after=60 900 pytest -q -n 0 tests/conda

test-container: .venv/installed ## Build the image of the Dockerfile with buildah and run the smoke grid in it (Debian; root; 40 GB of disk).
	@{ command -v buildah && command -v debootstrap; } > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah debootstrap; }
	$(RUN) timeout --kill-after=60 7200 pytest -q -n 0 -s tests/container

test-crate: .venv/installed ## Validate RO-Crates of a made-up grid and of MNIST by roc-validator, without a network.
	$(UV) pip install --quiet --target .venv/roc-validator roc-validator==0.13.0
	OMP_NUM_THREADS=1 $(RUN) timeout --kill-after=60 900 pytest -q -n 0 tests/crate

test-faults: .venv/installed ## Fail each call to the file system of each command once (gcc; half an hour on an idle core).
	FAULTS=all OMP_NUM_THREADS=1 $(RUN) pytest -q -n 0 -s -m slow tests/faults

test-versions: .venv/installed ## Test the library on each supported Python that is installed, with the oldest and the newest PyTorch.
	$(RUN) pytest -q -n 0 -rs tests/versions

report: .venv/installed ## Rebuild tables, figures and report of each grid from its runs.csv, without training.
	@set -e; for grid in $(GRIDS); do $(RUN) snakemake --cores 2 --configfile config/$$grid.yaml $(FROM_RUNS); done
	$(RUN) slotmachines readme config/reference.csv $(foreach grid,confirmation paper mnist,$(patsubst %/runs.csv,%,$(wildcard results/$(grid)/runs.csv)))
	$(RUN) slotmachines claims --write > /dev/null
	$(RUN) slotmachines dictionary docs/data-dictionary.md
	$(RUN) python -m benchmarks.draw results/benchmark/measurements.csv figures/benchmark
	$(RUN) python -m benchmarks.write_page results/benchmark
	$(RUN) python docs/site/draw_method.py figures/method/selection.png

# LaTeX reads the figures from the project's folder, and writes into build/ only.
paper: .venv/installed ## Write the replication paper, build/paper/replication.pdf, from the recorded results (needs LaTeX).
	@command -v pdflatex > /dev/null || { echo "pdflatex is missing; on Debian: apt install texlive-latex-base texlive-latex-recommended texlive-latex-extra texlive-fonts-recommended" >&2; exit 1; }
	$(RUN) slotmachines paper-numbers build/paper
	@for pass in 1 2 3; do TEXINPUTS="build/paper:" pdflatex -halt-on-error -interaction=nonstopmode -output-directory=build/paper \
		paper/replication.tex > build/paper/pdflatex.txt || { tail -25 build/paper/pdflatex.txt; exit 1; }; done
	@echo "The paper is at build/paper/replication.pdf"

docs: .venv/installed build/docs-venv/installed ## Build the documentation site (build/site/html/index.html) and check its links.
	$(RUN) python docs/site/assemble.py build/site
	build/docs-venv/bin/zensical build --strict --clean --config-file build/site/mkdocs.yml
	$(RUN) python docs/site/check_links.py build/site/html

build/docs-venv/installed: docs/site/requirements.txt
	@[ -x build/docs-venv/bin/python ] || $(PYTHON) -m venv --without-pip build/docs-venv
	$(UV) pip install --quiet --python build/docs-venv -r docs/site/requirements.txt
	@touch $@

collect: .venv/installed ## Gather the finished runs of a grid (GRID=mnist), wherever they were made, and rebuild.
	$(RUN) snakemake results/$(GRID)/config.yaml --cores 1 --nolock --configfile config/$(GRID).yaml --forcerun config --allowed-rules config
	$(RUN) slotmachines collect results/$(GRID)
	@$(MAKE) --no-print-directory report

measure: .venv/installed ## Measure what training each network costs: seconds per epoch on this machine, and floating-point operations.
	$(RUN) python -m benchmarks.run_seconds_per_epoch config/seconds_per_epoch.csv
	$(RUN) python -m benchmarks.run_flops config/flops_per_step.csv

bench: .venv/installed ## Measure time and memory beside ordinary training (hours on 2 cores; minutes with QUICK=1).
	$(RUN) python -m benchmarks.run_steps results/benchmark/$(if $(QUICK),quick.csv --quick,measurements.csv)
	$(RUN) python -m benchmarks.draw results/benchmark/$(if $(QUICK),quick.csv figures/benchmark/quick,measurements.csv figures/benchmark)
	$(if $(QUICK),,$(RUN) python -m benchmarks.write_page results/benchmark)

epochs: .venv/installed ## Measure seconds per epoch on a GPU, one operation after the other and as CUDA graphs.
	$(RUN) python -m benchmarks.run_epochs results/benchmark/epochs.csv
	$(RUN) python -m benchmarks.write_page results/benchmark

scale: .venv/installed ## Measure what grids cost beside training.
	$(RUN) python -m benchmarks.run_scale results/benchmark/scale.csv
	$(RUN) python -m benchmarks.write_page results/benchmark

lint: .venv/installed ## Check style and types of the code and of the workflow.
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports --no-logo
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint --configfile config/smoke.yaml

lock: .venv/installed ## Pin the packages of pyproject.toml again, also for conda and pixi; versions that still fit stay.
	$(UV) pip compile --quiet --no-config --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml
	$(RUN) python workflow/envs/environment_files.py

# Not in git, as it holds the address of each package. `uv pip sync pylock.toml` installs it.
PYLOCK := pylock.toml
pylock.toml: requirements.lock ## Write the lock in the form that uv and other tools share (PEP 751).
	sed -E 's/ *--hash=.*//; s/ *\\$$//' requirements.lock > $(PYLOCK).in
	$(UV) pip compile --quiet --no-config --universal --python-version 3.11 --no-deps --no-header \
		--format pylock.toml --output-file $(PYLOCK) $(PYLOCK).in
	@rm $(PYLOCK).in

# Bytecode is compiled here, once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each job would compile
# all of PyTorch for itself.
# uv installs much faster than pip. Where it is missing, pip gets it, from ensurepip or from the system.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
		|| { echo "$(PYTHON) is not Python 3.11 or newer: call make PYTHON=python3.x" >&2; exit 1; }
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv --without-pip .venv
	@$(UV) --version > /dev/null 2>&1 \
		|| { .venv/bin/python -m ensurepip && .venv/bin/python -m pip install uv; } > /dev/null 2>&1 \
		|| $(PYTHON) -m pip --python .venv/bin/python install uv > /dev/null 2>&1 \
		|| { echo "cannot install: $(PYTHON) has no pip; install uv, or on Debian: apt install python3-venv" >&2; exit 1; }
	$(UV) pip install --quiet --compile-bytecode --python .venv --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --editable .
	@touch $@
