"""What a figure or page was made from, so that one that is out of date can be told from one that is not.

A digest is that of data alone, not of the code that draws, so that code which draws the same gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from slotpipeline.analysis.cell_results import CellResult, identities_of
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.tables import csv_text
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Config

KEY = "Source"
OVERVIEWS = ("published-numbers", "curves")
"""The figures of a whole grid; each has a script of its name in `workflow/figures/`."""


def overview_script(name: str) -> str:
    """The script of a figure of a whole grid, relative to the project."""
    return f"workflow/figures/{name.replace('-', '_')}.py"


IN_CURVES = tuple(name for name, experiment in EXPERIMENTS.items() if experiment.in_curves)
"""The experiments that the figure of learning curves is made from: its cells have the grid's own settings."""


def source_digest(config: Config, experiment: str, found: Sequence[CellResult]) -> str:
    """Digest of the table of an experiment, and of its config."""
    about = {name: config[name] for name in ("grid", "recipe", "seeds")}
    about["experiment"] = config["experiments"][experiment]
    return _digest(json.dumps(about, sort_keys=True) + csv_text(found))


def figure_digest(results: Results, experiment: str, found: Sequence[CellResult]) -> str:
    """Digest of all that the figure of an experiment is made from.

    Beside its table these are the curves and histograms of its runs, and what was measured before them.
    """
    identities = identities_of(found)
    parts = [part[part["identity"].isin(identities)].to_csv(index=False) for part in (results.curves, results.selected)]
    measured = [results.project / name for name in EXPERIMENTS[experiment].files]
    parts += [path.read_text(encoding="utf-8") for path in measured if path.is_file()]
    return _digest(source_digest(results.config, experiment, found) + "".join(parts))


def overview_digests(tables: Mapping[str, str], figures: Mapping[str, str]) -> dict[str, str]:
    """Digests of what the figures of a whole grid are made from.

    Args:
        tables, figures: experiment -> digest of its table and of its figure.
    """
    return {"published-numbers": report_digest(tables.values()), "curves": curves_digest(figures)}


def curves_digest(sources: Mapping[str, str]) -> str:
    """Digest of all that the figure of learning curves is made from; `sources`: experiment -> digest of its figure."""
    return _digest("".join(sources[name] for name in IN_CURVES if name in sources))


def report_digest(sources: Iterable[str]) -> str:
    """Digest of all that the report of a grid is made from: the digests of its experiments."""
    return _digest("".join(sources))


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
