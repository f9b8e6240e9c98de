"""Repeating recorded runs: where they come from, what trains them again, and whether the bits are the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from slotmachines.errors import UserError
from slotpipeline.planning.plan import training_arguments
from slotpipeline.reporting.addresses import Grid
from slotpipeline.reporting.made_by import locked_version
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.run import Run, finetuned, make_run
from slotpipeline.runs.run_files import RunFiles, run_files
from slotpipeline.runs.run_record import RunRecord, read_run_record

REPEATS = Path("repeat")
"""Where the printed commands put the runs that they repeat."""


@dataclass(frozen=True)
class RunOrigin:
    """Where one run comes from, and how to repeat it.

    Attributes:
        folder: of its files, below the grid's results; blank where its description is not known.
        test_accuracy: in percent; None where it has not been run.
        machine: what is known of the machine, by the columns of runs.csv.
        data_sha256: digest of its dataset: the recorded one or, with `data_recorded` false, that of the file here.
        commands: that train it, and before it the slot machine that it starts from.
    """

    identity: str
    seed: int
    folder: str
    test_accuracy: float | None = None
    best_epoch: int | None = None
    wall_seconds: float | None = None
    started: str = ""
    commit: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)
    data_sha256: str = ""
    data_recorded: bool = False
    commands: Sequence[str] = ()


def repeat_lines(runs: Sequence[RunOrigin], dataset: str) -> list[str]:
    """How to repeat runs, and how to compare, in words and commands.

    Each commit gets a folder of its own beside this one: jobs that are under way here keep their code.
    """
    known = [run for run in runs if run.commands]
    if not known:
        return ["to repeat: these runs are not planned by today's config; check out their commit and ask again"]
    on_gpu = any(run.machine.get("device", "cpu") != "cpu" for run in known)
    same = "the same accuracy up to rounding: a GPU does not fix the order of sums" if on_gpu else "the same bits"
    lines = [f"to repeat, on the same kind of machine with the same packages, for {same}"]
    for commit in sorted({run.commit for run in known}):
        of_commit = [run for run in known if run.commit == commit]
        folder = _folder_of(commit)
        if folder is not None:
            lines.append(f"  git worktree add {folder} {commit.removesuffix('-dirty')}")
            lines.append(f"  cd {folder} && make .venv/installed")
            lines += [f"  {line}" for line in _other_packages(commit, of_commit)]
        if commit.endswith("-dirty"):
            lines.append("  # the code had changes that no commit holds: other bits are possible")
        programs = "" if folder is None else ".venv/bin/"
        lines.append(f"  {programs}slotmachines fetch {dataset}")
        lines += [f"  {programs}{line}" for line in dict.fromkeys(line for run in of_commit for line in run.commands)]
        lines += ["  cd -"] if folder is not None else []
    if ran := [run for run in known if run.test_accuracy is not None]:
        lines += ["to compare, in this folder"]
        for run in ran:
            made = (_folder_of(run.commit) or Path()) / REPEATS / "runs" / run.folder
            lines.append(f"  slotmachines explain {run.identity} --repeated {made}")
    return lines


def _folder_of(commit: str) -> Path | None:
    """Where a commit is checked out to repeat its runs; None where it is not known."""
    return None if commit in ("", "unknown") else Path("..") / f"repeat-{commit.removesuffix('-dirty')[:10]}"


def _other_packages(commit: str, runs: Sequence[RunOrigin]) -> list[str]:
    """What to install, too, where the runs had another PyTorch than the lock of their commit."""
    locked = locked_version("torch", commit.removesuffix("-dirty"))
    lines = []
    for python, torch in sorted({(run.machine.get("python", ""), run.machine.get("torch", "")) for run in runs}):
        version = torch.partition("+")[0]
        if locked is not None and version and version != locked:
            lines.append(f"# trained with PyTorch {torch} and Python {python}; the lock of this commit has {locked}")
            lines.append(f"uv pip install --python .venv torch=={version}")
    return lines


def commands(run: Run | None, machine: Mapping[str, str], record: RunRecord | None) -> list[str]:
    """What trains a run again, below `REPEATS`; a slot machine that it starts from comes first."""
    if run is None:
        return []
    more = ["--threads", machine.get("threads", "1").partition(" ")[0]]
    more += ["--device", "cpu"] if machine.get("device") == "cpu" else []
    more += [word for name in (record.engine if record else "").split("+") if name for word in ("--engine", name)]
    kept = {} if run.parent is None else {run.parent.identity: [run.start_epoch]}
    lines = []
    for one in filter(None, (run.parent, run)):
        places = ["--data", "data", "--folder", str(REPEATS / "runs" / one.folder)]
        lines.append(shlex.join(["slotmachines", *training_arguments(one, kept, REPEATS), *places, *more]))
    return lines


def run_of(grid: Grid, identity: str) -> Run | None:
    """The run of an identity: as the grid plans it, or else as its row describes it; None where neither is enough."""
    if identity in grid.planned:
        return grid.planned[identity]
    rows = grid.results.runs_of([identity])
    if not rows:
        return None
    row = rows[0]
    options: int | None = None if pd.isna(row["options"]) else int(row["options"])
    settings = row.get("settings")
    try:
        run = make_run(
            network=row["network"], dataset=row["dataset"], method=row["method"], options=options,
            seed=int(row["seed"]), recipe=row["recipe"],
            changes={} if pd.isna(settings) else json.loads(settings),
        )  # fmt: skip
        if not pd.isna(row["start_epoch"]) and row["start_epoch"]:
            run = finetuned(run, int(row["start_epoch"]))
    except (UserError, ValueError):
        return None
    return run if run.identity == identity else None


@dataclass(frozen=True)
class Comparison:
    """A repeated run beside the recorded one.

    Attributes:
        differing: in what they differ, a line each; empty where they are the same.
        whole: whether the files of the recorded run are here too, so that every bit was compared. Otherwise the curve
            was, to the digits that the small files of a grid keep.
    """

    differing: list[str]
    whole: bool


def compared(grid: Grid, identity: str, folder: Path) -> Comparison:
    """Compare a run that was repeated into a folder with the recorded one.

    Raises:
        UserError: the folder holds no finished run, or another run, or the run has not been recorded.
    """
    record = read_run_record(RunFiles(folder))
    if record.identity != identity:
        raise UserError(f"{folder} holds the run {record.identity}, not {identity}; give the folder of that run")
    rows, run = grid.results.runs_of([identity]), run_of(grid, identity)
    if not rows:
        raise UserError(f"the run {identity} has not been recorded yet, so there is nothing to compare {folder} with")
    row = rows[0]
    found = [
        f"{name} is {getattr(record, name):.6g}, and {row[name]:.6g} was recorded"
        for name in ("test_accuracy", "val_accuracy", "best_epoch")
        if f"{getattr(record, name):.6g}" != f"{row[name]:.6g}"
    ]
    found += _curve_differences(grid, identity, folder)
    before, now = run_files(run, grid.folder) if run else None, RunFiles(folder)
    if before is None or not (before.is_finished and before.curve.is_file() and before.best_weights.is_file()):
        return Comparison(found, whole=False)
    pairs = [(before.curve, now.curve), (before.best_weights, now.best_weights)]
    found += [f"{b} differs from {a}" for a, b in pairs if not b.is_file() or a.read_bytes() != b.read_bytes()]
    return Comparison(found, whole=True)


def _curve_differences(grid: Grid, identity: str, folder: Path) -> list[str]:
    recorded = grid.results.curves[grid.results.curves["identity"] == identity].reset_index(drop=True)
    repeated = read_table(RunFiles(folder).curve, ("epoch",), "give the folder of a finished run")
    if len(recorded) != len(repeated):
        return [f"its curve has {len(repeated)} epochs, and {len(recorded)} were recorded"]
    columns = [name for name in recorded.columns if name in repeated.columns]
    first, second = (table[columns].map(lambda value: f"{value:.5g}") for table in (recorded, repeated))
    differing = int((first != second).any(axis=1).sum())
    return [f"{differing} of {len(recorded)} epochs of its curve differ"] if differing else []
