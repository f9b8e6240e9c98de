"""Which runs of a grid are still to be trained, and which slot machines again because their weights are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import checkpoint_of, failure_note, is_finished, run_files


def runs_to_do(wanted: Iterable[Run], recorded: Collection[str], results: Path) -> list[Run]:
    """The wanted runs that are neither finished nor among those that `runs.csv` records by their identities."""
    return [run for run in wanted if run.identity not in recorded and not is_finished(run, results)]


def runs_to_train(wanted: Sequence[Run], recorded: Collection[str], results: Path) -> list[Run]:
    """The wanted runs that are to do, and the slot machines that must be trained again for them (`missing_parents`).

    The former keep their order; each of the latter stands before the first run that starts from it.
    """
    to_do = runs_to_do(wanted, recorded, results)
    again = {run.identity: run for run, _ in missing_parents(to_do, results)}
    for run in to_do:
        again.pop(run.identity, None)
    found = []
    for run in to_do:
        parent = again.pop(run.parent.identity, None) if run.parent is not None else None
        found += [parent, run] if parent is not None else [run]
    return found


def failures(to_do: Iterable[Run], results: Path) -> dict[str, str]:
    """Folder of a run that is to do -> why it failed when it was last trained; runs that did not fail are left out."""
    found = {}
    for run in to_do:
        with suppress(OSError):
            found[run.folder] = failure_note(checkpoint_of(run, results)).read_text(encoding="utf-8")
    return found


def failure_lines(failed: Mapping[str, str]) -> list[str]:
    """A line for each reason why runs failed: of one run its folder, of several how many there are."""
    folders: dict[str, list[str]] = defaultdict(list)
    for folder, why in failed.items():
        folders[why].append(folder)
    return [
        f"failed: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}"
        for why, names in folders.items()
    ]


def missing_parents(to_do: Iterable[Run], results: Path) -> list[tuple[Run, list[Path]]]:
    """The slot machines whose weights are missing although runs to do start from them, with the paths of the weights.

    Such a slot machine must be trained again, even if it is recorded or finished.
    """
    found: dict[str, tuple[Run, list[Path]]] = {}
    for run in to_do:
        if run.parent is not None:
            weights = run_files(run.parent, results).epoch_weights(run.start_epoch)
            if not weights.is_file():
                found.setdefault(run.parent.identity, (run.parent, []))[1].append(weights)
    return list(found.values())
