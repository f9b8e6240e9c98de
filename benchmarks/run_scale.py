"""Measure what grids cost beside training: make scale."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pandas as pd
import torch
import typer

from benchmarks.scale_limits import LIMITS, measure_scale
from slotmachines.files import replacing
from slotpipeline.command import run
from slotpipeline.training.provenance import provenance

PROJECT = Path(__file__).resolve().parents[1]


def command(output: Annotated[Path, typer.Argument(help="the CSV file to write")]) -> None:
    """Measure in an empty folder, which takes minutes; other work on the machine makes all of it slower."""
    origin = provenance(torch.device("cpu"))
    kept = {key: origin[key] for key in ("processor", "python", "system", "commit")}
    with TemporaryDirectory() as folder:
        found = measure_scale(PROJECT, Path(folder))
    rows = [
        {"what": what, "runs": runs, "seconds": seconds, "limit": LIMITS[what], **kept}
        for what, (seconds, runs) in found.items()
    ]
    table = pd.DataFrame(rows)
    with replacing(output) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4g")
    print(table[["what", "runs", "seconds", "limit"]].to_string(index=False))


if __name__ == "__main__":
    run(command)
