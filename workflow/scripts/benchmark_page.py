"""Put the tables of the benchmark into a page, between its marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slotmachines.benchmark.page import benchmark_text
from slotmachines.benchmark.results import by_device
from slotmachines.command import run
from slotmachines.errors import UserError
from slotmachines.files import replacing


def command(
    measurements: Annotated[Path, typer.Argument(help="the CSV file of make bench")],
    page: Annotated[Path, typer.Argument(help="the file to change")] = Path("docs/performance.md"),
) -> None:
    """Replace what stands between <!-- begin benchmark-cpu --> (and -gpu) and its end by the tables."""
    for device, table in by_device(measurements).items():
        begin, end = f"<!-- begin benchmark-{device} -->", f"<!-- end benchmark-{device} -->"
        try:
            before, found, rest = page.read_text().partition(begin)
        except OSError as error:
            raise UserError(f"cannot read {page}: {error.strerror}; give the file to change") from None
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise UserError(f"{page} lacks the marks {begin} and {end}; put them where the tables are to stand")
        with replacing(page) as temporary:
            temporary.write_text(f"{before}{begin}\n{benchmark_text(table)}\n{end}{after}")


if __name__ == "__main__":
    run(command)
