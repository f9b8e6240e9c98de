#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs this once in the conda environment that it made, from the project's folder.
set -euo pipefail
python -m pip install --quiet --no-deps --editable .
