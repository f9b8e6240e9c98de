"""Which runs of a grid are still to be made, and which slot machines once more, for others to start from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from slotpipeline.runs.run import METRICS, WEIGHTS, Run

AGAIN = "delete the folder and, if it has one, its row in runs.csv to train it again"
"""What to do about a damaged run: a run that runs.csv records is not trained again."""


def is_finished(run: Run, results: Path) -> bool:
    """Whether the folder of a finished run lies in the grid's folder of results."""
    return (results / "runs" / run.folder / METRICS).is_file()


def runs_to_do(wanted: Iterable[Run], recorded: Collection[str], results: Path) -> list[Run]:
    """The wanted runs that are neither finished nor among those that `runs.csv` records by their identities."""
    return [run for run in wanted if run.identity not in recorded and not is_finished(run, results)]


def kept_weights(slot_machine: Run, epoch: int, results: Path) -> Path:
    """Where a slot machine keeps the weights that it selects after an epoch, for other runs to start from."""
    return results / "runs" / slot_machine.folder / WEIGHTS / f"epoch-{epoch}.safetensors"


def not_kept(to_do: Iterable[Run], results: Path) -> list[tuple[Run, list[Path]]]:
    """The slot machines from whose weights runs that are to do start, where these are not here; and which are not.

    Whoever recorded or finished such a slot machine, it must be trained once more.
    """
    found: dict[str, tuple[Run, list[Path]]] = {}
    for run in to_do:
        if run.parent is not None:
            weights = kept_weights(run.parent, run.start_epoch, results)
            if not weights.is_file():
                found.setdefault(run.parent.identity, (run.parent, []))[1].append(weights)
    return list(found.values())
