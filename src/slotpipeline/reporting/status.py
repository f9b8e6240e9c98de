"""What of a grid is missing or out of date, why, and what it would cost to bring it up to date."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from slotmachines.errors import NotMeasured, UserError
from slotpipeline.experiments.grid import planned
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.experiments.wanted import require_experiments
from slotpipeline.reporting.claim_table import claims_of_grid
from slotpipeline.reporting.claim_words import counted, counts
from slotpipeline.reporting.file_states import State, states_of
from slotpipeline.reporting.made_by import in_git
from slotpipeline.reporting.sources import OVERVIEWS
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, results_so_far
from slotpipeline.runs.cell import Config
from slotpipeline.runs.gpu_time import cost_text, gpu_hours_or_none, read_gpu_seconds
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of
from slotpipeline.runs.run_time import EpochSeconds, estimated_hours, seconds_if_readable, time_text
from slotpipeline.runs.to_do import failure_lines, failures, missing_parents, runs_to_do


@dataclass(frozen=True)
class Standing:
    """One experiment of a grid.

    Attributes:
        table, figure: how the files (a table has three) stand to what has been collected, and to the code.
        runs: that the grid asks for.
        recorded: how many of them runs.csv holds.
        uncollected: how many are finished, but not in runs.csv yet.
        to_do: the others.
        failed: folder of a run to do that failed -> why.
        again: other slot machines that must be trained again, because runs to do start from their weights.
    """

    experiment: str
    table: State
    figure: State
    runs: Sequence[Run]
    recorded: int
    uncollected: int
    to_do: Sequence[Run]
    failed: Mapping[str, str]
    again: Sequence[Run]

    @property
    def reasons(self) -> list[str]:
        """Why it is not up to date, in words."""
        return [
            *([f"{_are(self.uncollected, 'finished run')} not collected"] if self.uncollected else []),
            *([f"{_are(len(self.to_do), 'run')} to do"] if self.to_do else []),
            *([f"{len(self.failed)} of them failed"] if self.failed else []),
            *([f"{_are(len(self.again), 'slot machine')} to be trained again, to start from"] if self.again else []),
            *(
                f"{name} {'is missing' if state == State.MISSING else 'is out of date'}"
                for name, state in (("table", self.table), ("figure", self.figure))
                if state != State.CURRENT
            ),
        ]


def grid_status(
    wanted: Mapping[str, Sequence[Run]], there: Results, states: Mapping[Path, State], results: Path, figures: Path
) -> list[Standing]:
    """How experiments of a grid stand to its results so far.

    Args:
        wanted: experiment -> the runs that the grid asks for now.
        there: what has been collected.
        states: of its tables and figures, see `states_of`.
        results, figures: the grid's folders.
    """
    recorded = set(there.runs["identity"])
    standings = []
    for experiment, runs in wanted.items():
        known = sum(run.identity in recorded for run in runs)
        to_do = runs_to_do(runs, recorded, results)
        identities = {run.identity for run in to_do}
        standings.append(
            Standing(
                experiment=experiment,
                table=states[results / f"tables/{experiment}.csv"],
                figure=states[figures / f"{experiment}.png"],
                runs=runs,
                recorded=known,
                uncollected=len(runs) - known - len(to_do),
                to_do=to_do,
                failed=failures(to_do, results),
                again=[run for run, _ in missing_parents(to_do, results) if run.identity not in identities],
            )
        )
    return standings


@dataclass(frozen=True)
class GridStatus:
    """How a whole grid stands.

    Attributes:
        folder: the grid's folder of results.
        seconds_csv, on_core: what an epoch costs on a core, see `seconds_if_readable`.
        on_gpu: what an epoch costs on a GPU, see `read_gpu_seconds`.
        standings: of each experiment.
        overviews: figure of the whole grid -> how it stands.
        claims: verdict -> how many of the claims that the grid tests have it; empty if it tests none.
        claims_text: the same in words.
        others: how many recorded runs the grid does not plan.
        in_git: whether git tells which code made figures and pages, or the times of files.
    """

    folder: Path
    seconds_csv: Path
    on_core: EpochSeconds | UserError
    on_gpu: pd.DataFrame
    standings: Sequence[Standing]
    report: State
    summary: State
    overviews: Mapping[str, State]
    claims: Mapping[str, int]
    claims_text: str
    others: int
    in_git: bool

    @property
    def runs(self) -> int:
        """How many runs the grid asks for, each counted once."""
        return len({run.identity for one in self.standings for run in one.runs})

    @property
    def to_do(self) -> list[Run]:
        """The runs to do, each once."""
        return list({run.identity: run for one in self.standings for run in one.to_do}.values())

    @property
    def with_checkpoint(self) -> int:
        """How many of the runs to do go on from a checkpoint."""
        return sum(checkpoint_of(run, self.folder).is_file() for run in self.to_do)

    @property
    def again(self) -> list[Run]:
        """The slot machines that must be trained again, each once."""
        return list({run.identity: run for one in self.standings for run in one.again}.values())

    @property
    def failed(self) -> dict[str, str]:
        """Folder of a run that failed -> why."""
        return {folder: why for one in self.standings for folder, why in one.failed.items()}

    def as_dict(self) -> dict[str, Any]:
        """For a program: counts of runs, hours on one core and on a GPU (None where not measured), states of files."""
        gpu_hours, without = gpu_hours_or_none([*self.to_do, *self.again], self.on_gpu)
        return {
            "runs": self.runs,
            "finished": self.runs - len(self.to_do),
            "to_do": len(self.to_do),
            "with_checkpoint": self.with_checkpoint,
            "to_train_again": len(self.again),
            "hours": self._hours([*self.to_do, *self.again]),
            "gpu_hours": _rounded(gpu_hours),
            "gpu_hours_without": sorted(without),
            "failed": self.failed,
            "not_planned": self.others,
            "code_told_by": "git" if self.in_git else "times",
            "files": {"report.html": str(self.report), "summary.json": str(self.summary)}
            | {f"{name}.png": str(state) for name, state in self.overviews.items()},
            "claims": dict(self.claims),
            "experiments": [
                {
                    "experiment": one.experiment, "table": str(one.table), "figure": str(one.figure),
                    "runs": len(one.runs), "recorded": one.recorded, "not_collected": one.uncollected,
                    "to_do": len(one.to_do), "hours": self._hours([*one.to_do, *one.again]),
                    "gpu_hours": _rounded(gpu_hours_or_none([*one.to_do, *one.again], self.on_gpu)[0]),
                    "why": one.reasons,
                }
                for one in self.standings
            ],
        }  # fmt: skip

    def _hours(self, runs: Sequence[Run]) -> float | None:
        if isinstance(self.on_core, UserError):
            return None
        try:
            return round(estimated_hours(runs, self.on_core), 3)
        except NotMeasured:
            return None

    def __str__(self) -> str:
        rows = [
            {
                "experiment": one.experiment,
                "table": one.table,
                "figure": one.figure,
                "runs": f"{one.recorded} of {len(one.runs)}",
                "to do": f"{len(one.to_do)} ({self._time(one.to_do, one.again)})" if one.to_do else "",
                "why": "; ".join(one.reasons),
            }
            for one in self.standings
        ]
        states = "; ".join(f"{name}.png: {state}" for name, state in self.overviews.items())
        repeated = f", {len(self.again)} to be trained again" if self.again else ""
        begun = f" ({self.with_checkpoint} from a checkpoint)" if self.with_checkpoint else ""
        hours = cost_text([*self.to_do, *self.again], self.seconds_csv, self.on_core, self.on_gpu)
        lines = [
            pd.DataFrame(rows).to_markdown(index=False, tablefmt="simple", disable_numparse=True),
            "",
            f"report: {self.report}; summary.json: {self.summary}; {states}.",
            f"Each run counts once: {self.runs - len(self.to_do)} of {self.runs} are finished, {len(self.to_do)} to do"
            f"{begun}{repeated}{f', {hours}' if self.to_do else ''}.",
            *failure_lines(self.failed),
        ]
        if self.claims_text:
            lines.append(f"{self.claims_text} See `slotmachines claims`.")
        if self.others:
            count = "1 run" if self.others == 1 else f"{self.others} runs"
            lines.append(
                f"{self.folder / RUNS_CSV} also holds {count} that this grid does not plan; collecting keeps them."
            )
        if not self.in_git:
            lines.append(
                "Without git, a figure or page counts as stale if the file is older than the code that makes it; "
                "copying may change these times."
            )
        return "\n".join(lines)

    def _time(self, to_do: Sequence[Run], again: Sequence[Run]) -> str:
        return time_text([*to_do, *again], self.on_core)


def status_of(
    config: Config,
    results: Path,
    figures: Path,
    reference_csv: Path,
    seconds_csv: Path,
    epochs_csv: Path,
    experiments: Collection[str] = (),
) -> GridStatus:
    """The status of a grid: as text for the terminal, a line per experiment and what is left in total, or as data.

    Args:
        seconds_csv, epochs_csv: seconds per epoch on a core, and on a GPU, which may be missing.
        experiments: only these; all without names.

    Raises:
        UserError: a file that is there cannot be read, or the grid has no experiment of that name.
    """
    require_experiments(config, experiments)
    there = results_so_far(config, results, reference_csv)
    states = states_of(there, grid_results(there), results, figures)
    wanted = planned(config)
    shown = {name: wanted[name] for name in experiments or wanted}
    claims = claims_of_grid(there)
    return GridStatus(
        folder=results,
        seconds_csv=seconds_csv,
        on_core=seconds_if_readable(seconds_csv),
        on_gpu=read_gpu_seconds(epochs_csv, required=False),
        standings=grid_status(shown, there, states, results, figures),
        report=states[results / "report.html"],
        summary=states[results / "summary.json"],
        overviews={name: states[figures / f"{name}.png"] for name in OVERVIEWS},
        claims=counts(claims.judged, claims.mark) if claims else {},
        claims_text=counted(claims.judged, claims.mark) if claims else "",
        others=len(set(there.runs["identity"]) - {run.identity for runs in wanted.values() for run in runs}),
        in_git=in_git(),
    )


def _rounded(hours: float | None) -> float | None:
    return None if hours is None else round(hours, 3)


def _are(count: int, name: str) -> str:
    return f"{count} {name} is" if count == 1 else f"{count} {name}s are"
