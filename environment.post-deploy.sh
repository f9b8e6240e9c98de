#!/usr/bin/env bash
# Snakemake runs this once in the conda environment that it made of environment.yml, from the project's folder.
set -euo pipefail
python -m pip install --quiet --no-deps --editable .
