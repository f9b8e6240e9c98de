"""From a number on a page to what made it: its runs, with settings, code, data, machine, cost and how to repeat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from slotpipeline.analysis.text import interval_text, network_title, number
from slotpipeline.data.canonical import stored_digest
from slotpipeline.reporting.addresses import Address, Grid, Kind, elsewhere
from slotpipeline.reporting.claim_words import full_sentence, part_words, so_far
from slotpipeline.reporting.page_tables import cell_title
from slotpipeline.reporting.repeating import RunOrigin, commands, repeat_lines, run_of
from slotpipeline.reporting.run_origins import MACHINE, duration
from slotpipeline.runs.cell import cell_runs
from slotpipeline.runs.recipe import changed_settings
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import run_files
from slotpipeline.runs.run_record import RunRecord, read_run_record


@dataclass(frozen=True)
class Answer:
    """What stands behind a name.

    Attributes:
        kind, name: see `slotpipeline.reporting.addresses`.
        elsewhere: other names of the same.
        says: what it is, in words.
        grid: the grid of its runs; blank where no run was asked for.
        dataset, recipe, settings: of its runs; settings are those that are not the default.
        changed: arguments that win over the recipe.
        files: that show it, where they are.
        runs: behind it, one per seed.
    """

    kind: str
    name: str
    elsewhere: Sequence[str]
    says: Sequence[str]
    grid: str = ""
    dataset: str = ""
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()
    runs: Sequence[RunOrigin] = ()

    @property
    def json(self) -> str:
        """For programs."""
        return json.dumps(asdict(self), indent=2, default=str)

    @property
    def text(self) -> str:
        """For readers."""
        lines = [f"{self.name}: {self.kind}", *(f"  {line}" for line in self.says)]
        lines += [f"  also: {', '.join(self.elsewhere)}"] if self.elsewhere else []
        lines += [f"  shown in: {', '.join(self.files)}"] if self.files else []
        if not self.runs:
            return "\n".join([*lines, "  no run stands behind it"])
        if self.recipe:
            settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
            lines.append(f"  recipe: {self.recipe}; its settings that are not the default: {settings or 'none'}")
        lines += _origin_lines(self.runs, self.dataset)
        lines += [
            "",
            "runs",
            *(f"  {_run_line(run)}" for run in self.runs),
            "",
            *repeat_lines(self.runs, self.dataset),
        ]
        return "\n".join(lines)


def _origin_lines(runs: Sequence[RunOrigin], dataset: str) -> list[str]:
    ran = [run for run in runs if run.test_accuracy is not None]
    lines = []
    for sha, recorded in sorted({(run.data_sha256, run.data_recorded) for run in ran if run.data_sha256}):
        how = (
            "recorded with the runs" if recorded else f"of data/{dataset}.safetensors here; runs.csv does not record it"
        )
        lines.append(f"  data: {dataset}, SHA-256 {sha} ({how})")
    if not lines:
        lines = [f"  data: {dataset}; the digest is in each run's metrics.json and in data/{dataset}.safetensors"]
    for machine in {json.dumps(run.machine): run.machine for run in ran}.values():
        lines.append(f"  machine: {', '.join(f'{name} {value}' for name, value in machine.items() if value)}")
    if ran:
        seconds = sum(run.wall_seconds or 0 for run in ran)
        lines.append(f"  cost: {duration(seconds)} of wall time, summed over {len(ran)} of {len(runs)} runs")
        lines.append(f"  commit: {', '.join(sorted({run.commit for run in ran}))}")
    return lines


def _run_line(run: RunOrigin) -> str:
    if run.test_accuracy is None:
        return f"{run.identity}  seed {run.seed}: not run yet"
    return (
        f"{run.identity}  seed {run.seed}: {number(run.test_accuracy)}% at epoch {run.best_epoch}, "
        f"{duration(run.wall_seconds or 0)}, {run.started[:16].replace('T', ' ')} UTC, "
        f"commit {run.commit[:10]}, {run.folder}"
    )


def explained(one: Address, there: Sequence[Address], grids: Sequence[Grid], data: Path = Path("data")) -> Answer:
    """What stands behind one thing; `data`: the folder of the datasets."""
    others = elsewhere(one, there)
    if one.number is not None:
        return _of_number(one, there, grids, data)
    if one.cell is not None and one.grid is not None:
        grid, cell = one.grid, one.cell
        seeds = sorted(set(cell.seeds)) if cell.n else []
        runs = cell_runs(grid.results.config, cell.cell, seeds or [cell.run.seed])
        files = _files(grid, one.experiment)
        return _answer(one, others, [_title(one), *_cell_lines(one)], grid, runs, files, data)
    if one.claim is not None:
        return _of_claim(one, data)
    assert one.grid is not None
    tables = [other.name for other in there if other.cell and one.identity in other.cell.identities]
    run = run_of(one.grid, one.identity)
    says = [f"one run: {run.folder}" if run else "a recorded run that today's config does not plan"]
    return _answer(one, tables, says, one.grid, [run] if run else [], (), data, identities=[one.identity])


def _title(one: Address) -> str:
    assert one.cell is not None
    return f"{network_title(one.cell.dataset, one.cell.network)}: {cell_title(one.cell)}"


def _cell_lines(one: Address) -> list[str]:
    cell = one.cell
    assert cell is not None
    if not cell.n:
        return [f"not run yet: 0 of {cell.planned} runs"]
    lines = [
        f"test accuracy {number(cell.mean)}%, the mean of {cell.n} of {cell.planned} runs; 95% interval "
        f"{interval_text(cell.interval)}"
    ]
    if cell.paper:
        lines.append(f"the paper's {number(cell.paper.value)} ({cell.paper.provenance}); verdict: {cell.verdict}")
    return [*lines, *([cell.data_note] if cell.data_note else [])]


def _of_number(one: Address, there: Sequence[Address], grids: Sequence[Grid], data: Path) -> Answer:
    published = one.number
    assert published is not None
    says = [f"{published.value:g}% in {published.source}, {published.provenance}"]
    key = (published.dataset, published.architecture, published.method, published.options)
    beside = [
        other
        for other in there
        if other.cell
        and other.cell.published_here
        and key == (other.cell.dataset, other.cell.network, other.cell.method, other.cell.options)
    ]
    # The number stands beside plain cells first of all, and beside that one which has most runs.
    beside.sort(key=lambda other: (bool(other.cell and other.cell.cell.variant), -(other.cell.n if other.cell else 0)))
    if not beside:
        return Answer(one.kind, one.name, [], [*says, "no cell of a grid here repeats it"])
    answer = explained(beside[0], there, grids, data)
    names = [other.name for other in beside[1:] if other.name not in answer.elsewhere]
    ours = [f"repeated by {beside[0].name}", *answer.says]
    return Answer(**{**vars(answer), "kind": one.kind, "name": one.name, "says": [*says, *ours],
                     "elsewhere": [*answer.elsewhere, *names]})  # fmt: skip


def _of_claim(one: Address, data: Path) -> Answer:
    claim = one.claim
    assert claim is not None
    says = [f"{full_sentence(claim.claim)} ({claim.claim.source})", f"verdict: {claim.verdict}{so_far(claim)}"]
    says += [claim.detail] if claim.detail else []
    for part in claim.parts:
        if part.mean is not None:
            says.append(f"{part_words(claim, part)}, n = {part.n}, {part.verdict}")
    if one.grid is None:
        return Answer(one.kind, one.name, [], says)
    identities = list(dict.fromkeys(identity for part in claim.parts for identity in part.identities))
    runs = [run for identity in identities if (run := run_of(one.grid, identity))]
    files = ["config/claims.yaml", str(one.grid.folder / "report.html")]
    return _answer(one, [], says, one.grid, runs, files, data, identities=identities)


def _files(grid: Grid, experiment: str) -> list[str]:
    places = [
        grid.folder / "tables" / f"{experiment}.md",
        grid.folder.parent.parent / "figures" / grid.name / f"{experiment}.png",
        grid.folder / "report.html",
    ]
    return [str(place) for place in places if place.is_file()]


def _answer(
    one: Address, others: Sequence[str], says: Sequence[str], grid: Grid, runs: Sequence[Run], files: Sequence[str],
    data: Path, identities: Sequence[str] = (),
) -> Answer:  # fmt: skip
    by_identity: dict[str, Run | None] = dict.fromkeys(identities)
    by_identity |= {run.identity: run for run in runs}
    rows = {str(row["identity"]): row for row in grid.results.runs_of(by_identity)}
    origins = [_origin(grid, identity, run, rows.get(identity), data) for identity, run in by_identity.items()]
    recipes = {run.recipe for run in runs}
    settings = [json.dumps(changed_settings(run.settings), sort_keys=True, default=list) for run in runs]
    shared = json.loads(settings[0]) if len(set(settings)) == 1 else {}
    datasets = {run.dataset for run in runs} or {str(row["dataset"]) for row in rows.values()}
    return Answer(
        kind=one.kind, name=one.name, elsewhere=list(others), says=list(says), grid=grid.name,
        dataset=", ".join(sorted(datasets)), recipe=", ".join(sorted(recipes)), settings=shared, files=list(files),
        runs=origins,
    )  # fmt: skip


def _origin(grid: Grid, identity: str, run: Run | None, row: Mapping[Any, Any] | None, data: Path) -> RunOrigin:
    record = _record(grid, run)
    dataset = run.dataset if run else str(row["dataset"]) if row else ""
    origin = RunOrigin(
        identity=identity,
        seed=run.seed if run else int(row["seed"]) if row else 0,
        folder=run.folder if run else "",
        data_sha256=(record and record.data_sha256) or stored_digest(data / f"{dataset}.safetensors") or "",
        data_recorded=bool(record and record.data_sha256),
    )
    if row is None:
        return replace(origin, commands=commands(run, {}, record))
    machine = {name: str(row[name]) for name in MACHINE if name in row and not pd.isna(row[name]) and str(row[name])}
    return replace(
        origin,
        test_accuracy=float(row["test_accuracy"]),
        best_epoch=int(row["best_epoch"]),
        wall_seconds=float(row["wall_seconds"]),
        started=str(row["started"]),
        commit=str(row["commit"]),
        machine=machine,
        commands=commands(run, machine, record),
    )


def _record(grid: Grid, run: Run | None) -> RunRecord | None:
    """What the run's own file says; None where its folder is elsewhere."""
    files = run_files(run, grid.folder) if run else None
    return read_run_record(files) if files and files.is_finished else None


def listing(found: Sequence[Address]) -> list[str]:
    """A command for each of several things that a name fits, with what they show where a number was asked for."""
    lines = []
    for one in found:
        shown = ", ".join(f"{what} {value:g}" for what, value in one.shows.items()) if len(one.shows) <= 3 else ""
        more = f": {shown}" if shown and one.kind != Kind.RUN else ""
        lines.append(f"slotmachines explain {one.name}  # {one.kind.value}{more}")
    return lines
