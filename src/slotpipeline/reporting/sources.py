"""What a figure or page was made from, so that one that is out of date can be told from one that is not.

A digest is that of data alone, not of the code that draws, so that code which draws the same gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import comparisons, findings, measures
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.claim_table import claims_of_grid, tidy
from slotpipeline.reporting.prediction_table import predictions_of_page
from slotpipeline.reporting.scoreboard import scoreboard
from slotpipeline.reporting.tables import csv_text, readable_comparisons
from slotpipeline.results.read import Results

KEY = "Source"
OVERVIEWS = ("curves", "published-numbers")
"""The figures of a whole grid; each has a script of its name in `workflow/figures/`."""


def overview_script(name: str) -> str:
    """The script of a figure of a whole grid, relative to the project."""
    return f"workflow/figures/{name.replace('-', '_')}.py"


IN_CURVES = tuple(name for name, experiment in EXPERIMENTS.items() if experiment.in_curves)
"""The experiments that the figure of learning curves is made from: its cells have the grid's own settings."""


def numbers_digest(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """Digest of all numbers of an experiment: its config, its table, what it measures, and its comparisons."""
    about = {name: results.config[name] for name in ("grid", "recipe", "seeds")}
    about["experiment"] = results.config["experiments"][experiment]
    measured = [
        [f"{quantity.words} {value:.6g}" for quantity, value in one.values.items()]
        for one in measures(results, experiment, found)
    ]
    compared = readable_comparisons(comparisons(experiment, found)).to_csv(index=False)
    return _digest(json.dumps([about, csv_text(found), measured, compared], sort_keys=True))


def figure_digest(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """Digest of all that the figure of an experiment is made from.

    Beside its numbers these are the curves and histograms of its runs, and what was measured before them.
    """
    identities = identities_of(found)
    parts = [part[part["identity"].isin(identities)].to_csv(index=False) for part in (results.curves, results.selected)]
    measured = [results.project / name for name in EXPERIMENTS[experiment].files]
    parts += [path.read_text(encoding="utf-8") for path in measured if path.is_file()]
    return _digest(numbers_digest(results, experiment, found) + "".join(parts))


def section_digest(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """Digest of all that the report says of an experiment: its numbers, and the sentences about them."""
    said = findings(results, experiment, found, measures(results, experiment, found))
    return _digest(json.dumps([numbers_digest(results, experiment, found), said]))


def overview_digests(found: Mapping[str, Sequence[CellResult]], figures: Mapping[str, str]) -> dict[str, str]:
    """Digests of what the figures of a whole grid are made from.

    Args:
        found: experiment -> the results of its cells.
        figures: experiment -> digest of its figure.
    """
    return {"published-numbers": published_digest(found), "curves": curves_digest(figures)}


def published_digest(found: Mapping[str, Sequence[CellResult]]) -> str:
    """Digest of all that the figure of published numbers is made from: the tables of all experiments."""
    return _digest("".join(csv_text(part) for part in found.values()))


def curves_digest(sources: Mapping[str, str]) -> str:
    """Digest of all that the figure of learning curves is made from; `sources`: experiment -> digest of its figure."""
    return _digest("".join(sources[name] for name in IN_CURVES if name in sources))


def report_digest(results: Results, found: Mapping[str, Sequence[CellResult]]) -> str:
    """Digest of all that the report of a grid is made from: sections, runs, and the scoreboard and claims of these.

    Args:
        found: experiment -> the results of its cells.
    """
    sections = [section_digest(results, name, part) for name, part in found.items()]
    shown = only_planned(results)
    board = scoreboard([shown]).to_csv(index=False, float_format="%.4f")
    claims = claims_of_grid(shown)
    judged = tidy(claims).to_csv(index=False, float_format="%.6g") if claims else ""
    predicted = predictions_of_page(shown)
    expected = predicted[0] + predicted[1].to_csv(index=False) if predicted else ""
    return _digest("".join([*sections, shown.runs.to_csv(index=False), board, judged, expected]))


def only_planned(results: Results) -> Results:
    """The results without runs that the grid does not ask for, which runs.csv keeps."""
    planned = {run.identity for run in grid_runs(results.config)}
    return replace(results, runs=results.runs[results.runs["identity"].isin(planned)])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def picture_source(picture: Path) -> str | None:
    """The digest that a figure was saved with; None where it has none or cannot be read."""
    try:
        with Image.open(picture) as image:
            return str(image.info.get(KEY)) if KEY in image.info else None
    except (OSError, UnidentifiedImageError):
        return None


def page_sources(page: Path) -> set[str]:
    """The digests of the figures that a report holds."""
    return set(re.findall(r' data-source="(\w+)"', page.read_text(encoding="utf-8", errors="replace")))


def page_source(page: Path) -> str | None:
    """The digest that a report was written with; None where it has none."""
    found = re.search(rf'<meta name="{KEY}" content="(\w+)">', page.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None
