"""The name of everything that a page shows: cells of tables, published numbers, claims and runs; and how one is found.

A name is a path of words: `mnist/k-sweep/lenet/greedy-k8`. Some of its words, in any order, are enough where they fit
one thing only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from slotmachines.errors import UserError, one_line
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.claim_verdicts import JudgedClaim
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.page_tables import run_key
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, read_results
from slotpipeline.results.reference import PublishedNumber
from slotpipeline.runs.run import Run

_PLACES = ("results", "figures", "tables", "runs", ".", "")
"""Folders of files, which name no thing of their own."""
_SUFFIX = re.compile(r"\.(csv|md|tex|png|svg|pdf|html|json)$")
_NUMBER = re.compile(r"[+-]?\d+\.\d+")
_RUN = re.compile(r"(?:^|/)(?:seed\d+-)?([0-9a-f]{8})(?:/|$)")


class Kind(StrEnum):
    """What a name stands for."""

    CELL = "cell of a table"
    NUMBER = "published number"
    CLAIM = "registered claim"
    RUN = "run"


@dataclass(frozen=True)
class Grid:
    """A grid that has recorded runs.

    Attributes:
        folder: of its results.
        found: experiment -> the results of its cells.
        planned: identity -> run that the grid asks for.
    """

    folder: Path
    results: Results
    found: Mapping[str, Sequence[CellResult]]
    planned: Mapping[str, Run]

    @property
    def name(self) -> str:
        """The grid's own name."""
        return str(self.results.config["grid"])


@dataclass(frozen=True)
class Address:
    """One thing with its name.

    Attributes:
        words: by which it is found, in small letters.
        shows: what a page shows of it -> the number.
        grid: where its runs are; None of a published number.
        cell, number, claim: the thing itself, whichever it is.
        experiment: of a cell, the table that it stands in.
        identity: of a run.
    """

    kind: Kind
    name: str
    words: frozenset[str]
    shows: Mapping[str, float] = field(default_factory=dict)
    grid: Grid | None = None
    cell: CellResult | None = None
    experiment: str = ""
    number: PublishedNumber | None = None
    claim: JudgedClaim | None = None
    identity: str = ""


def read_grids(results: Path, reference_csv: Path) -> list[Grid]:
    """Every grid below the folder of all results that has recorded runs.

    Raises:
        UserError: a file is damaged, or there is no such grid.
    """
    folders = sorted(path.parent for path in results.glob(f"*/{RUNS_CSV}") if (path.parent / "config.yaml").is_file())
    if not folders:
        raise UserError(f"no grid in {results} has recorded runs; run one first: make smoke")
    grids = []
    for folder in folders:
        there = read_results(folder, reference_csv)
        planned = {run.identity: run for run in grid_runs(there.config)}
        grids.append(Grid(folder, there, grid_results(there), planned))
    return grids


def addresses(grids: Sequence[Grid], claims: Iterable[JudgedClaim] = ()) -> list[Address]:
    """Everything that can be explained, but for single runs."""
    found = [_cell(grid, experiment, one) for grid in grids for experiment, part in grid.found.items() for one in part]
    by_name = {grid.name: grid for grid in grids}
    found += [_claim(one, by_name.get(one.scope.grid)) for one in claims]
    return [*found, *(_published(one) for one in grids[0].results.reference)]


def _method(method: str, options: int | None, start_epoch: int = 0) -> str:
    k = "" if options is None else f"-k{options}"
    return f"{method}{k}{'-finetuned' if start_epoch else ''}"


def slug(words: str) -> str:
    """Words as one word of a name: `paper + code's restarts` becomes `paper-code-s-restarts`."""
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")


def _cell(grid: Grid, experiment: str, one: CellResult) -> Address:
    method = _method(one.method, one.options)
    variant = slug(one.cell.words)
    place = f"{one.network}-{one.dataset}"
    name = "/".join(filter(None, [grid.name, experiment, place, method, variant]))
    words = {grid.name, experiment, place, one.network, one.dataset, one.method, method, variant or "plain"}
    words |= {f"k{one.options}"} if one.options is not None else set()
    shows: dict[str, float | None] = {"mean": one.mean if one.n else None, "difference": one.difference}
    if one.ours and one.n:
        low, high = one.interval or (None, None)
        shows |= {"low end of the interval": low, "high end of the interval": high}
        shows |= {"minimum": one.ours.minimum, "maximum": one.ours.maximum}
        shows |= {"mean on validation": one.validation, "mean after the last epoch": one.last_epoch}
        shows |= {f"seed {seed}": accuracy for seed, accuracy in one.by_seed.items()}
    if one.paper:
        shows |= {"the paper's": one.paper.value}
    known = {what: value for what, value in shows.items() if value is not None and value == value}
    return Address(Kind.CELL, name, _lower(words), known, grid, cell=one, experiment=experiment)


def _claim(one: JudgedClaim, grid: Grid | None) -> Address:
    name = f"{one.claim.name}/{one.scope.name}"
    shows = {
        f"{what} of {part.name or 'it'}": value
        for part in one.parts
        for what, value in (("mean", part.mean), ("low end", part.low), ("high end", part.high))
        if value is not None
    }
    return Address(Kind.CLAIM, name, _lower({one.claim.name, one.scope.name}), shows, grid, claim=one)


def _published(one: PublishedNumber) -> Address:
    method = _method(one.method, one.options)
    place = f"{one.architecture}-{one.dataset}"
    words = {one.source, one.figure, place, one.architecture, one.dataset, one.method, method}
    words |= {f"k{one.options}"} if one.options is not None else set()
    known = {"value": one.value, "lowest seed": one.low, "highest seed": one.high}
    shows = {what: value for what, value in known.items() if value is not None and value == value}
    name = f"{one.source}/{one.figure}/{place}/{method}"
    return Address(Kind.NUMBER, name, _lower(words), shows, number=one)


def _lower(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words if word)


def find(asked: str, there: Sequence[Address], grids: Sequence[Grid]) -> list[Address]:
    """What a name, some words of one, a number of a page, or a run's identity or folder stands for.

    One thing, or several where it fits more. A cell that several tables hold counts once, where it has most runs.

    Raises:
        UserError: nothing is called so; the message says what comes close.
    """
    asked = asked.strip().replace("\N{MINUS SIGN}", "-")
    if exact := [one for one in there if one.name == asked.lower()]:
        return exact[:1]
    if runs := _runs(asked, grids):
        return runs
    if _NUMBER.fullmatch(asked.rstrip("%")):
        return _by_number(asked.rstrip("%"), there)
    wanted = [word for word in map(_word, re.split(r"[/\s]+", asked.lower())) if word not in _PLACES]
    if not wanted:
        raise UserError("a name has at least one word, such as mnist/k-sweep/lenet-mnist/greedy-k8")
    found = [one for one in there if one.words.issuperset(wanted)]
    if not found:
        raise _nothing(asked, wanted, there)
    # A first word such as mnist is the grid of that name, and not the dataset.
    found = [one for one in found if one.grid and one.grid.name == wanted[0]] or found
    # Published numbers have the words of the cells that repeat them; they are meant where nothing else is.
    return _once([one for one in found if one.kind != Kind.NUMBER]) or found


def _word(text: str) -> str:
    """A word as names have it: without the ending of a file, and K = 8 as k8."""
    return re.sub(r"^k=(\d+)$", r"k\1", _SUFFIX.sub("", text))


def _runs(asked: str, grids: Sequence[Grid]) -> list[Address]:
    """The run of an identity or folder; of the first four digits or more, all that begin so."""
    named = _RUN.search(asked.lower())
    begin = named[1] if named else asked.lower()
    if not re.fullmatch(r"[0-9a-f]{4,8}", begin):
        return []
    found: dict[str, Address] = {}
    for grid in grids:
        recorded = set(grid.results.runs["identity"])
        for identity in sorted(recorded | grid.planned.keys()):
            if identity.startswith(begin) and (identity not in found or identity in recorded):
                run = grid.planned.get(identity)
                name = f"{grid.name}/{run.folder}" if run else f"{grid.name}/{identity}"
                kept = found.get(identity)
                if kept is None or kept.grid is None or identity not in set(kept.grid.results.runs["identity"]):
                    found[identity] = Address(Kind.RUN, name, frozenset(), grid=grid, identity=identity)
    if named and not found:
        raise UserError(f"no grid has the run {begin}; look for its folder below results, or for its row in a runs.csv")
    return list(found.values())


def _by_number(text: str, there: Sequence[Address]) -> list[Address]:
    """What shows a number, rounded as it is written."""
    decimals = len(text.partition(".")[2])
    signed = text[0] in "+-"
    found = []
    for one in there:
        shown = {
            what: value
            for what, value in one.shows.items()
            if format(value, f"{'+' if text[0] == '+' else ''}.{decimals}f") == text
            or (not signed and format(abs(value), f".{decimals}f") == text)
        }
        if shown:
            found.append(Address(**{**vars(one), "shows": shown}))
    if not found:
        raise UserError(f"no table, claim or published number shows {one_line(text)}; give the name of its cell")
    return _once(found)


def _once(found: Sequence[Address]) -> list[Address]:
    """Each cell once, though several tables or grids hold it: where most of its runs are finished."""
    kept: dict[object, Address] = {}
    for one in found:
        key = run_key(one.cell) if one.cell else one.name
        before = kept.get(key)
        if before is None or (one.cell and before.cell and one.cell.n > before.cell.n):
            kept[key] = one
    return list(kept.values())


def elsewhere(one: Address, there: Sequence[Address]) -> list[str]:
    """The other names of a cell: tables that hold the same one."""
    if one.cell is None:
        return []
    key = run_key(one.cell)
    return [other.name for other in there if other.cell and other.name != one.name and run_key(other.cell) == key]


def _nothing(asked: str, wanted: Sequence[str], there: Sequence[Address]) -> UserError:
    known = sorted({word for one in there for word in one.words})
    unknown = [word for word in wanted if word not in known]
    hints = []
    for word in unknown:
        close = get_close_matches(word, known, n=3, cutoff=0.6)
        hints.append(f"no name has the word {word}" + (f": do you mean {' or '.join(close)}?" if close else ""))
    if not unknown:
        fit: Callable[[Address], int] = lambda one: len(one.words.intersection(wanted))  # noqa: E731
        near = _once(sorted(there, key=fit, reverse=True)[:3])
        hints.append(f"nothing has all of these words; close to it: {', '.join(one.name for one in near)}")
    return UserError(f"cannot explain {one_line(asked)}: {'; '.join(hints)}")
