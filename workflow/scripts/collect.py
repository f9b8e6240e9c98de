"""Gather the metrics and curves of all runs of a grid (called by the rule `collect`)."""

from pathlib import Path

from snakemake.script import snakemake

from slotmachines.replication.collect import collect

collect([Path(path).parent for path in snakemake.input.metrics], snakemake.output.runs, snakemake.output.curves)
