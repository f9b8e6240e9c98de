"""A grid as one folder or ZIP file that explains itself to programs: a Workflow Run RO-Crate.

The crate holds the workflow, what it reads but the datasets, and what came out of it; `crate_metadata` describes these
files and the runs behind them. Its bytes depend on nothing else: no clock, no machine, no order of a file system.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError
from slotmachines.files import replacing, replacing_folder
from slotpipeline.data.canonical import stored_digest
from slotpipeline.experiments.config_schema import read_grid
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.reporting.crate_metadata import METADATA, README, Described, metadata, readme
from slotpipeline.reporting.file_states import State, file_states
from slotpipeline.reporting.sources import OVERVIEWS
from slotpipeline.results.collect import CURVES_CSV, EARLY_CSV, RUNS_CSV, SELECTED_CSV
from slotpipeline.results.read import read_runs
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import load_recipe
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import run_files
from slotpipeline.runs.run_record import read_run_record

_WORKFLOW_FILES = (".py", ".smk", ".rst", ".sh", ".yml")
_OF_THE_PROJECT = ("CITATION.cff", "LICENSE", "requirements.lock")
_READ_WHERE_THEY_ARE = ("config/claims.yaml", "config/predictions.yaml")
_STORED_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP file can hold; the times of the files are no part of a crate."""


@dataclass(frozen=True)
class Grid:
    """Where a crate finds what it holds.

    Attributes:
        config: the grid's file in config/.
        results, figures: the grid's folders.
        reference: the published numbers.
        data: the folder of the datasets, of which only digests are read.
        project: the folder of the Snakefile.
    """

    config: Path
    results: Path
    figures: Path
    reference: Path
    data: Path = Path("data")
    project: Path = Path()


@dataclass(frozen=True)
class Written:
    """What a crate holds: the number of its files beside the metadata, and the datasets of which it knows no digest."""

    files: int
    without_digest: Sequence[str]


def write_crate(grid: Grid, output: Path, agent: str = "", published: date | None = None) -> Written:
    """Write the crate of a grid.

    Args:
        output: a ZIP file, if the name ends in .zip; else a folder that is missing or empty.
        agent: the name of the person who ran the workflow, which nothing records; blank: the crate names none.
        published: what the crate says of itself; None: the day on which the last recorded run ended.

    Raises:
        UserError: a file of the grid or of the project is missing, or `output` is in use.
    """
    as_zip = output.suffix == ".zip"
    if output.is_dir() if as_zip else output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"{output} exists already; give the name of a new folder, or one that ends in .zip")
    contents = {name: path.read_bytes() for name, path in _files(grid).items()}
    described = _described(grid)
    contents = dict(sorted([*contents.items(), (README, readme(described).encode())]))
    text = metadata(contents, described, agent, published)
    everything = {METADATA: text.encode(), **contents}
    if as_zip:
        with replacing(output) as temporary:
            _write_zip(everything, temporary)
    else:
        with replacing_folder(output) as temporary:
            for name, content in everything.items():
                place = temporary / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
    return Written(len(contents), [name for name, digests in described.digests.items() if not digests])


def _write_zip(everything: Mapping[str, bytes], path: Path) -> None:
    # Stored, not compressed: versions of zlib give different bytes, and most of it is compressed already.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in everything.items():
            entry = zipfile.ZipInfo(name, _STORED_TIME)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a readable file of Unix, on every system
            archive.writestr(entry, content)


def _files(grid: Grid) -> dict[str, Path]:
    """Name in the crate, as in the project, -> file.

    Raises:
        UserError: one that each crate must hold is missing.
    """
    snakefile = grid.project / "Snakefile"
    if not snakefile.is_file():
        raise UserError(f"there is no {snakefile}; go to the folder of the project, whose workflow the crate holds")
    recorded, runs_csv = grid.results / "config.yaml", grid.results / RUNS_CSV
    how = f"run the grid first: snakemake --cores all --configfile {grid.config}"
    if not recorded.is_file() or not runs_csv.is_file():
        raise UserError(f"{runs_csv if recorded.is_file() else recorded} does not exist; {how}")
    config = read_config(recorded)
    name = config["grid"]
    experiments = list(config["experiments"])
    workflow = [path for path in (grid.project / "workflow").rglob("*") if path.suffix in _WORKFLOW_FILES]
    measured = [file for one in experiments if one in EXPERIMENTS for file in EXPERIMENTS[one].files]
    inputs = [snakefile, *workflow, *(grid.project / one for one in (*_OF_THE_PROJECT, *measured))]
    inputs += [path for one in _READ_WHERE_THEY_ARE if (path := grid.project / one).is_file()]
    files = {path.relative_to(grid.project).as_posix(): path for path in inputs}
    files |= {f"config/recipes/{path.name}": path for path in _recipe_files(config)}
    files |= {f"config/{grid.config.name}": grid.config, f"config/{grid.reference.name}": grid.reference}
    made = ["config.yaml", RUNS_CSV, CURVES_CSV, SELECTED_CSV, "summary.json", "report.html"]
    made += [EARLY_CSV] if (grid.results / EARLY_CSV).is_file() else []
    made += [f"tables/{one}{suffix}" for one in experiments for suffix in (".csv", ".md")]
    files |= {f"results/{name}/{one}": grid.results / one for one in made}
    files |= {f"figures/{name}/{one}.png": grid.figures / f"{one}.png" for one in (*experiments, *OVERVIEWS)}
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        more = f", and {len(missing) - 1} more are missing" if missing[1:] else ""
        raise UserError(f"{missing[0]} does not exist{more}; {how}")
    return files


def _recipe_files(config: Mapping[str, Any]) -> list[Path]:
    """The user's own files that the grid's recipes were read from.

    Raises:
        UserError: two have the same name, and no crate can hold both.
    """
    files = {file for name in {run.recipe for run in grid_runs(config)} for file in load_recipe(name).files}
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"the grid uses two recipe files of the name {twice[0]}; rename one")
    return sorted(files)


def out_of_date(grid: Grid) -> list[str]:
    """The tables, figures and pages of a grid that are not those of its recorded runs and of the code."""
    config = read_config(grid.results / "config.yaml")
    states = file_states(config, grid.results, grid.figures, grid.reference)
    return [str(path) for path, state in states.items() if state != State.CURRENT]


def asks_for_other_runs(grid: Grid) -> bool:
    """Whether the config of the grid plans other runs than the recorded one, which the crate describes."""
    plans = (grid_runs(one) for one in (read_grid(grid.config), read_config(grid.results / "config.yaml")))
    asked, recorded = ({run.identity for run in runs} for runs in plans)
    return asked != recorded


def _described(grid: Grid) -> Described:
    config = read_config(grid.results / "config.yaml")
    planned, runs = grid_runs(config), read_runs(grid.results / RUNS_CSV)
    citation = read_yaml(grid.project / "CITATION.cff", "the citation of the project")
    return Described(
        config=config,
        config_file=f"config/{grid.config.name}",
        reference_file=f"config/{grid.reference.name}",
        runs=runs,
        planned={run.identity for run in planned},
        digests={name: _digests(name, planned, grid) for name in sorted(set(runs["dataset"]))},
        citation=_mapping(citation),
    )


def _digests(dataset: str, planned: Sequence[Run], grid: Grid) -> list[str]:
    """Digests of a dataset: those that its runs recorded, where their folders are here; else that of the file here."""
    recorded = set()
    for run in planned:
        files = run_files(run, grid.results)
        if run.dataset == dataset and files.is_finished and (digest := read_run_record(files).data_sha256):
            recorded.add(digest)
    here = stored_digest(grid.data / f"{dataset}.safetensors")
    return sorted(recorded) or ([here] if here else [])


def _mapping(citation: Any) -> dict[str, Any]:
    if not isinstance(citation, dict) or not {"title", "license", "authors"} <= set(citation):
        raise UserError("CITATION.cff names no title, license or authors; restore it: git restore CITATION.cff")
    return citation
