"""What an experiment is: its cells, what is compared and measured, and the sentences that say what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.comparisons import Pairs
from slotpipeline.analysis.evidence import Evidence, Values
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import Cell, Config

Parameters = Mapping[str, Any]
"""The entries of one experiment in a grid's config."""

Measure = Callable[[CellResult], Values]
"""From the result of a cell that was run to what was measured in it."""


def _nothing_to_compare(found: list[CellResult]) -> Pairs:
    return iter(())


class Group(StrEnum):
    """The heads under which a report lists experiments."""

    PAPER = "The paper's experiments"
    RIVALS = "Rivals"
    BEYOND = "Beyond the paper"


@dataclass(frozen=True)
class Experiment:
    """One experiment; `slotpipeline.experiments.registry` lists them all.

    Attributes:
        name: what configs, commands and files call it.
        title: for readers.
        description: one line that says in the schema of configs what it runs.
        claim: what the paper found, in our words; or the question, where the paper has no such experiment.
        cells: from a grid's config, and the experiment's own part of it, to its cells, in the order of its table.
        sentences: what was found in one network, from the runs alone; without any where they do not suffice.
        figure: name of its script in `workflow/figures/`.
        group: where a report lists it.
        pairs: from the finished cells of one network to those that are compared, first minus second.
        measure: from the results of the grid, and the cells of the experiment, to what is measured beside accuracy.
        is_the_papers: whether the paper has it.
        has_options: whether its config lists numbers of options K.
        parameters: JSON schemas of what else its config has to give, by name, each with an example.
        optional: the same of what its config may give.
        files: what is measured before the runs and enters its figure, relative to the project.
        needs_weights: whether it needs the histograms of the selected weights.
        in_curves: whether the figure of learning curves shows its cells.
    """

    name: str
    title: str
    description: str
    claim: str
    cells: Callable[[Config, Parameters], Iterable[Cell]]
    sentences: Callable[[Evidence], list[str]]
    figure: str
    group: Group = Group.PAPER
    pairs: Callable[[list[CellResult]], Pairs] = _nothing_to_compare
    measure: Callable[[Results, Sequence[CellResult]], Measure] | None = None
    is_the_papers: bool = True
    has_options: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    needs_weights: bool = False
    in_curves: bool = False

    @property
    def figure_script(self) -> str:
        """Where the script of its figure is, relative to the project."""
        return f"workflow/figures/{self.figure}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its part of a config; what it refers to is in `config.schema.yaml`."""
        options = {"options": {"$ref": "#/$defs/options"}} if self.has_options else {}
        needed = {"networks": {"$ref": "#/$defs/networks"}, **options, **self.parameters}
        return {
            "description": self.description,
            "type": "object",
            "required": list(needed),
            "additionalProperties": False,
            "properties": {**needed, **self.optional, "seeds": {"$ref": "#/$defs/seeds"}},
        }


def networks_of(config: Config, parameters: Parameters) -> list[tuple[str, str]]:
    """Dataset and network of each network of an experiment."""
    return [(config["networks"][network], network) for network in parameters["networks"]]


def slot_machines(config: Config, parameters: Parameters, *methods: str) -> Iterator[Cell]:
    """Slot machines of each network, method and K of an experiment."""
    for pair in networks_of(config, parameters):
        for method in methods:
            yield from (Cell(*pair, method, options) for options in parameters["options"])
