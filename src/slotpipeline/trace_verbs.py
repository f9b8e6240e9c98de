"""The verbs that lead from a result back to what made it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from slotmachines.errors import UserError

_LISTED = 40


def explain(
    name: Annotated[
        list[str],
        typer.Argument(
            help="A cell (mnist/k-sweep/lenet-mnist/greedy-k8, or enough of its words), a published number "
            "(aladago2021/k-sweep/lenet-mnist/greedy-k8), a claim, a run's identity or folder, or a number of a page."
        ),
    ],
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    reference: Annotated[Path, typer.Option(help="The published numbers.")] = Path("config/reference.csv"),
    data: Annotated[Path, typer.Option(help="Folder of the datasets.")] = Path("data"),
    repeated: Annotated[
        Path | None, typer.Option(help="Folder of a repeated run: compare its bits with the recorded run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what stands behind a number: its runs, settings, code, data, machine and cost, and the command to repeat it.

    Examples: slotmachines explain mnist k-sweep greedy k8; slotmachines explain 98.20; slotmachines explain e3a23e6b
    """
    from slotpipeline.reporting.addresses import addresses, find, read_grids
    from slotpipeline.reporting.claim_table import claims_so_far
    from slotpipeline.reporting.explain import explained, listing
    from slotpipeline.reporting.repeating import compared

    grids = read_grids(results, reference)
    claims = claims_so_far(results, reference)
    there = addresses(grids, claims.judged if claims else ())
    found = find(" ".join(name), there, grids)
    if len(found) > 1:
        asked = " ".join(name)
        if repeated is not None:
            raise UserError(f"{asked} fits {len(found)} things; --repeated compares one run, so give its identity")
        if as_json:
            typer.echo(json.dumps({"matches": [one.name for one in found]}, indent=2))
            return
        more = f" (the first {_LISTED})" if len(found) > _LISTED else ""
        typer.echo(f"{asked} fits {len(found)} things; each has a command of its own{more}:")
        typer.echo("\n".join(listing(found)[:_LISTED]))
        return
    if repeated is None:
        answer = explained(found[0], there, grids, data)
        typer.echo(answer.json if as_json else answer.text)
        return
    if found[0].grid is None or not found[0].identity:
        raise UserError("--repeated compares one run; give its identity")
    comparison = compared(found[0].grid, found[0].identity, repeated)
    if comparison.differing:
        raise UserError(f"{repeated} differs from the recorded run: {'; '.join(comparison.differing)}")
    same = "the same bits" if comparison.whole else "the same accuracy and curve, to the digits that are recorded,"
    typer.echo(f"{repeated} has {same} as the recorded run {found[0].identity}")


def crate(
    config: Annotated[Path, typer.Argument(help="Configuration of a grid that has run, such as config/smoke.yaml.")],
    output: Annotated[Path, typer.Argument(help="The folder to write, a new one, or a file that ends in .zip.")],
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    figures: Annotated[Path, typer.Option(help="Folder of all grids' figures.")] = Path("figures"),
    reference: Annotated[Path, typer.Option(help="The published numbers.")] = Path("config/reference.csv"),
    data: Annotated[Path, typer.Option(help="Folder of the datasets; only their digests are packed.")] = Path("data"),
    agent: Annotated[str, typer.Option(help="Name of the person who ran it; records do not hold it.")] = "",
    published: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of publication; default: of the last run.", show_default=False),
    ] = None,
) -> None:
    """Write a grid as a Workflow Run RO-Crate: workflow, inputs, results, and what is recorded of each run.

    Example: slotmachines crate config/mnist.yaml mnist.crate.zip
    """
    from slotpipeline.experiments.config_schema import read_grid
    from slotpipeline.reporting.crate import Grid, asks_for_other_runs, out_of_date, write_crate

    name = read_grid(config)["grid"]
    grid = Grid(config, results / name, figures / name, reference, data)
    written = write_crate(grid, output, agent, published.date() if published else None)
    if asks_for_other_runs(grid):
        there = grid.results / "config.yaml"
        typer.echo(f"warning: {config} asks for other runs than {there}, which the crate describes", err=True)
    if old := out_of_date(grid):
        more = f" and {len(old) - 1} more" if old[1:] else ""
        typer.echo(f"warning: {old[0]}{more} out of date; see slotmachines status {config}", err=True)
    for dataset in written.without_digest:
        typer.echo(f"warning: no digest of {dataset} is known here; to have it: slotmachines fetch {dataset}", err=True)
    typer.echo(f"{output}: ro-crate-metadata.json and {written.files} files")
