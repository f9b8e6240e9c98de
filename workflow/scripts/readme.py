"""Put the scoreboard and the main tables into the README, between their marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.command import ReferenceFile, run
from slotmachines.reporting.page import fill_marks
from slotmachines.reporting.report import main_table_text
from slotmachines.reporting.results import read_results
from slotmachines.reporting.scoreboard import by_dataset, scoreboard, sentence


def command(
    reference_csv: ReferenceFile,
    grids: Annotated[
        list[Path],
        typer.Argument(help="folders of the grids' results, the most trusted first of those with as many seeds"),
    ],
    readme: Annotated[Path, typer.Option(help="the file to change")] = Path("README.md"),
) -> None:
    """Fill the marks `scoreboard` (over all grids) and `<grid>` (what was run of its main table) of a page."""
    results = [read_results(grid, reference_csv) for grid in grids]
    board = scoreboard(results)
    table = by_dataset(board).to_markdown(index=False, disable_numparse=True)
    fill_marks(readme, "scoreboard", f"**{sentence(board)}**\n\n{table}")
    for grid in results:
        fill_marks(readme, grid.config["grid"], main_table_text(grid, style="pipe", only_run=True))


if __name__ == "__main__":
    run(command)
