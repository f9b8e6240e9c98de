"""What happens inside a slot machine: shared values, options that change, the weights that are selected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from slotpipeline.analysis.cell_results import CellResult, only
from slotpipeline.analysis.comparisons import Pairs, each_against, label
from slotpipeline.analysis.evidence import Evidence, Quantity, Values, accuracy, compared
from slotpipeline.analysis.text import number, percent
from slotpipeline.experiments.accuracy_by_options import both_rules
from slotpipeline.experiments.experiment import Experiment, Measure, Parameters, slot_machines
from slotpipeline.results.read import Results
from slotpipeline.results.weight_histograms import BINS
from slotpipeline.runs.cell import Cell, Changes, Config, Variant

# Shared values


@dataclass(frozen=True)
class SharedValues(Variant):
    """All connections of a layer, or of the network, choose from one set of values."""

    within: Literal["layer", "network"]
    is_comparable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"one set per {self.within}"

    @property
    def changes(self) -> Changes:
        return (("sharing", self.within),)


def _sharing_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    for cell in slot_machines(config, parameters, "greedy"):
        yield cell
        yield replace(cell, variant=SharedValues("layer"))
        yield replace(cell, variant=SharedValues("network"))


def _shared_against_own(found: list[CellResult]) -> Pairs:
    for result in found:
        if result.cell.variant is not None:
            yield from each_against([result], only(found, result.method, result.options))


def _sharing_sentences(here: Evidence) -> list[str]:
    """Shared values against own values at the same K; where seeds collapsed, each of them."""
    return [
        f"K = {one.first.options}, {one.first.cell.words}: {accuracy(one.first)}"
        + ("" if one.first.collapsed or one.second.collapsed else f", {compared(one, 'own values')}")
        for one in here.comparisons
    ]


SHARING = Experiment(
    name="sharing",
    title="One set of values for many connections",
    description="One set of K values per connection, per layer and for the whole network.",
    claim="All connections of a layer, or of the whole network, can share one set of K random values if K is "
    "large; with few values accuracy suffers.",
    cells=_sharing_cells,
    pairs=_shared_against_own,
    sentences=_sharing_sentences,
    figure="sharing.py",
)


# Options that change from epoch to epoch

FIRST_TEN = Quantity("changed per epoch in the first ten, %")
LAST_TEN = Quantity("changed per epoch in the last ten, %")
DRAWN_LAST_TEN = Quantity("drawn option changed in the last ten, %")
REDRAWN_LAST_TEN = Quantity("drawing again alone would change, %")
_COLUMNS = {LAST_TEN: "changed_share", DRAWN_LAST_TEN: "sampled_changed_share", REDRAWN_LAST_TEN: "redrawn_share"}
"""What is measured late in training -> the column of the curves. Only probabilistic selection draws an option."""


def _churn(results: Results, found: Sequence[CellResult]) -> Measure:
    def measure(result: CellResult) -> Values:
        curves = results.curves[results.curves["identity"].isin(result.identities)]
        early, late = curves["epoch"] <= 10, curves["epoch"] > result.run.settings.epochs - 10
        first = {FIRST_TEN: float(100 * curves.loc[early, "changed_share"].mean())}
        recorded = {quantity: column for quantity, column in _COLUMNS.items() if column in curves}
        return first | {quantity: float(100 * curves.loc[late, name].mean()) for quantity, name in recorded.items()}

    return measure


def _churn_sentences(here: Evidence) -> list[str]:
    """The share of connections that change per epoch, in the first ten epochs and in the last ten.

    With probabilistic selection, too, of the option with the highest score; that of the drawn one stands beside it.
    """
    text = []
    for one in here.measured:
        said = "how many connections change was not recorded"
        if FIRST_TEN in one.values and LAST_TEN in one.values:
            said = (
                f"{percent(one.values[FIRST_TEN])} of the connections change their best option per epoch in the first "
                f"ten epochs, {percent(one.values[LAST_TEN])} in the last ten"
            )
            if DRAWN_LAST_TEN in one.values and REDRAWN_LAST_TEN in one.values:
                said += (
                    f"; the drawn option is another one in {percent(one.values[DRAWN_LAST_TEN])}, and drawing again "
                    f"from the same scores alone would change {percent(one.values[REDRAWN_LAST_TEN])}"
                )
        text.append(f"{label(one.result)}: {said} (n = {one.result.n})")
    return text


CHURN = Experiment(
    name="churn",
    title="How long do connections keep changing their mind?",
    description="The share of connections that change their option from epoch to epoch, for both rules.",
    claim="Greedy selection settles, while with probabilistic selection connections go on changing their option "
    "late in training.",
    cells=both_rules,
    measure=_churn,
    sentences=_churn_sentences,
    figure="churn.py",
)


# The weights that are selected

MAGNITUDE, OUTER = "mean abs(w) / b", "beyond 0.9 b, %"


def _selected_weights_cells(config: Config, parameters: Parameters) -> Iterator[Cell]:
    return slot_machines(config, parameters, "greedy")


def _selected_weights(results: Results, found: Sequence[CellResult]) -> Measure:
    """Two quantities per layer: mean abs(w) / b, and the share of the weights beyond 0.9 b."""

    def measure(result: CellResult) -> Values:
        values: dict[Quantity, float] = {}
        selected = results.selected[results.selected["identity"].isin(result.identities)]
        for layer, part in selected.groupby("layer", sort=False):
            magnitude = ((part["bin"] + 0.5) * 2 / BINS - 1).abs()
            total = part["count"].sum()
            values[Quantity(MAGNITUDE, str(layer))] = float((magnitude * part["count"]).sum() / total)
            values[Quantity(OUTER, str(layer))] = float(100 * part.loc[magnitude > 0.9, "count"].sum() / total)
        return values

    return measure


def _selected_weights_sentences(here: Evidence) -> list[str]:
    """Mean magnitude of the selected weights, and the share of them in the outer tenth of the range, layer by layer."""
    text, missing = [], []
    for one in here.measured:
        options, values = one.result.options, one.values
        layers = [
            f"{layer} {number(values[Quantity(MAGNITUDE, layer)])} "
            f"({number(values[Quantity(OUTER, layer)], '.0f')}% beyond 0.9 b)"
            for layer in dict.fromkeys(quantity.layer for quantity in values)
        ]
        if layers:
            text.append(f"mean abs(w)/b of what K = {options} selects: " + ", ".join(layers))
        else:
            missing.append(f"the weights that K = {options} selects were not kept")
    if text:
        text.append("of all options it is 0.50 (10% beyond 0.9 b)")
    return text + missing


SELECTED_WEIGHTS = Experiment(
    name="selected-weights",
    title="Which values are selected?",
    description="How the selected weights are distributed, layer by layer.",
    claim="The selected weights are not spread like the values they were chosen from: some magnitudes are preferred.",
    cells=_selected_weights_cells,
    measure=_selected_weights,
    sentences=_selected_weights_sentences,
    figure="selected_weights.py",
    needs_weights=True,
)
