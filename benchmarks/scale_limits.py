"""What a grid costs beside training: to plan it, to gather its runs, and what a job takes more than its training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.measurements import rows_of
from slotmachines.errors import UserError
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import METRICS, RunFiles
from slotpipeline.runs.run_record import ROW_COLUMNS, RunRecord

MANY = 10_000
FULL_PLAN = "plan of the paper's whole grid (snakemake -n)"
MANY_PLAN = f"plan of {MANY:,} finished runs (snakemake -n)"
MANY_GATHERED = f"plan and gathering of {MANY:,} finished runs"
JOB = "what a job takes beside its training"
LIMITS = {FULL_PLAN: 20.0, MANY_PLAN: 120.0, MANY_GATHERED: 120.0, JOB: 8.0}
"""Seconds."""

_LINKED = ("Snakefile", "environment.yml", "src", "workflow", "results/benchmark")
_JOBS = (2, 6)


def measure_scale(project: Path, folder: Path) -> dict[str, tuple[float, int]]:
    """Seconds, and the number of runs, of each of `LIMITS`; in an empty folder, where the project is linked.

    What a job costs is the slope between workflows of a few and of more runs of one epoch on the digits, less what the
    runs say of their training.

    Raises:
        UserError: Snakemake ends with an error.
    """
    paper = read_config(project / "config" / "paper.yaml")
    full = planned_elsewhere(project, folder, paper)
    many = with_at_least(paper, MANY, "many")
    runs = grid_runs(checked_config(many))
    for run in runs:
        write_made_up_run(run, folder / "results" / "many" / "runs" / run.folder)
    planned = _snakemake(folder, many, "-n", "--quiet")
    gathered = _snakemake(folder, many, "results/many/runs.csv")

    subprocess.run([sys.executable, "-m", "slotmachines", "fetch", "digits"], cwd=folder, check=True)
    took, training = [], []
    for jobs in _JOBS:
        name = f"jobs{jobs}"
        took.append(_snakemake(folder, _short(paper, name, jobs), f"results/{name}/runs.csv"))
        metrics = (folder / "results" / name / "runs").rglob(METRICS)
        training.append(sum(json.loads(path.read_text())["wall_seconds"] for path in metrics))
    fewer, more = (whole - own for whole, own in zip(took, training, strict=True))
    job = (more - fewer) / (_JOBS[1] - _JOBS[0])
    return {
        FULL_PLAN: (full, len(grid_runs(checked_config(paper)))),
        MANY_PLAN: (planned, len(runs)),
        MANY_GATHERED: (gathered, len(runs)),
        JOB: (job, _JOBS[1] - _JOBS[0]),
    }


def with_at_least(config: Mapping[str, Any], runs: int, name: str) -> dict[str, Any]:
    """A grid of another name, with so many seeds that it has at least `runs` runs."""
    larger = deepcopy(dict(config))
    larger["grid"] = name
    for experiment in larger["experiments"].values():
        experiment.pop("seeds", None)
    larger["seeds"] = [0]
    larger["seeds"] = list(range(-(-runs // len(grid_runs(checked_config(larger))))))
    return larger


def write_made_up_run(run: Run, folder: Path) -> None:
    """The files of a finished run but its weights, with numbers that nobody trained for."""
    files, epochs = RunFiles(folder), range(run.start_epoch + 1, run.settings.epochs + 1)
    folder.mkdir(parents=True)
    numbers = "0.2,0.1234567,97.1234567,0.2345678,96.1234567,96.22,0.0123456,0.3456789,,1"
    rows = [f"{epoch},{numbers}" for epoch in epochs]
    files.curve.write_text("\n".join([",".join(ROW_COLUMNS), *rows]) + "\n" if rows else "")
    record = RunRecord(
        dataset=run.dataset, network=run.network, method=run.method, options=run.options, variant=run.variant,
        recipe=recipe_name(run.recipe), seed=run.seed, epochs=run.settings.epochs,
        start_epoch=run.start_epoch or None, test_accuracy=97.0, val_accuracy=96.0, best_epoch=max(epochs, default=0),
        wall_seconds=1.0, started="", identity=run.identity, parent=run.parent.identity if run.parent else None,
        settings=asdict(run.settings), data_note="", device="cpu", processor="none", threads=1, commit="none",
        python="", torch="",
    )  # fmt: skip
    files.metrics.write_text(json.dumps(asdict(record), indent=2))


def scale_text(measured: pd.DataFrame) -> str:
    """What was measured as a table in Markdown, by its limit."""
    shown = [
        {"what": row.what, "limit": f"{row.limit:g} s", "measured": f"{row.seconds / row.limit:.0%} of it"}
        for row in rows_of(measured)
    ]
    where = measured.iloc[0].astype(str)
    table = pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True)
    return f"{table}\n\n{where['processor']}, Python {where['python']}, commit `{where['commit'][:7]}`."


def _short(config: Mapping[str, Any], name: str, seeds: int) -> dict[str, Any]:
    """A grid of one cell, trained for an epoch on the digits."""
    return {
        **config, "grid": name, "seeds": list(range(seeds)), "networks": {"lenet": "digits"}, "chosen_by": {},
        "settings": {"lenet": {"epochs": 1, "schedule": "constant", "schedule_epochs": []}}, "tolerance": {"digits": 1},
        "experiments": {"selected-weights": {"networks": ["lenet"], "options": [8]}},
    }  # fmt: skip


def planned_elsewhere(project: Path, folder: Path, config: Mapping[str, Any]) -> float:
    """Seconds that a plan of a grid takes in an empty folder, into which the project's files are linked."""
    (folder / "results").mkdir()
    (folder / "config").mkdir()
    for name in [*_LINKED, *(f"config/{path.name}" for path in (project / "config").iterdir())]:
        (folder / name).symlink_to(project / name)
    return _snakemake(folder, config, "-n", "--quiet")


def _snakemake(folder: Path, config: Mapping[str, Any], *arguments: str) -> float:
    """Seconds that a workflow takes on one core."""
    path = folder / "config" / f"{config['grid']}.yaml"
    if not path.exists():
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    words: Sequence[str] = [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--configfile", str(path)]
    path_of_jobs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    begin = time.perf_counter()
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path_of_jobs})
    if ended.returncode:
        raise UserError(f"snakemake {' '.join(arguments)} failed: {(ended.stdout + ended.stderr)[-300:]}")
    return time.perf_counter() - begin
