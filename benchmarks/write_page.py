"""Put the tables of the benchmarks, and of the precision, into a page, between its marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.epoch_times import epochs_text
from benchmarks.measurements import by_device
from benchmarks.performance_page import benchmark_text
from benchmarks.precision_table import precision_text
from benchmarks.scale_limits import scale_text
from benchmarks.source_trees_table import source_trees_text
from slotpipeline.command import run
from slotpipeline.reporting.marked_page import fill_marks


def command(
    folder: Annotated[Path, typer.Argument(help="the folder of what was measured")],
    page: Annotated[Path, typer.Argument(help="the file to change")] = Path("docs/performance.md"),
) -> None:
    """Replace what stands between the marks by what was measured.

    The marks are benchmark-cpu and -gpu, source-trees, epochs, precision and scale.
    """
    for device, table in by_device(folder / "measurements.csv").items():
        fill_marks(page, f"benchmark-{device}", benchmark_text(table))
    if (folder / "source_trees.csv").exists():
        fill_marks(page, "source-trees", source_trees_text(pd.read_csv(folder / "source_trees.csv")))
    if (folder / "epochs.csv").exists():
        fill_marks(page, "epochs", epochs_text(pd.read_csv(folder / "epochs.csv")))
    tables = [folder / "precision.csv", folder / "precision_accuracy.csv"]
    if all(path.exists() for path in tables):
        fill_marks(page, "precision", precision_text(*map(pd.read_csv, tables)))
    if (folder / "scale.csv").exists():
        fill_marks(page, "scale", scale_text(pd.read_csv(folder / "scale.csv")))


if __name__ == "__main__":
    run(command)
