"""Which published number stands beside a cell."""

from __future__ import annotations

import pytest

from slotpipeline.experiments.many_options import LearningRate
from slotpipeline.results.reference import published, read_reference
from slotpipeline.runs.cell import ByRecipe, Cell
from synthetic import REFERENCE

PAPER = read_reference(REFERENCE)


@pytest.mark.parametrize(
    ("experiment", "cell", "value"),
    [
        (
            "random-vs-selected",
            Cell("cifar10", "conv4", "greedy", 2),
            80.0,
        ),  # its own bar chart before the k-sweep figure
        ("random-vs-selected", Cell("mnist", "lenet", "greedy", 2), 97.14),  # not in the bar chart: k-sweep
        ("random-vs-selected", Cell("cifar10", "conv4", "random", None), 10.0),
        ("selection", Cell("cifar10", "conv6", "greedy", 8), 88.38),
        ("finetune", Cell("mnist", "lenet", "learned", None), 97.95),
        ("finetune", Cell("cifar10", "vgg19", "greedy", 8), 91.0),  # nowhere but in the abstract
        ("k-sweep", Cell("mnist", "lenet", "probabilistic", 64), 97.84),
        ("recipe-study", Cell("mnist", "lenet", "greedy", 8, ByRecipe("paper")), 98.21),
        ("large-k", Cell("mnist", "lenet", "greedy", 64, LearningRate(0.2)), 98.16),
    ],
)
def test_published_numbers_are_looked_up_in_the_right_figure(experiment: str, cell: Cell, value: float) -> None:
    found = published(PAPER, experiment, cell)
    assert found is not None
    assert found.value == value


def test_the_unchecked_number_of_vgg19_is_shown_but_not_judged_against() -> None:
    found = published(PAPER, "k-sweep", Cell("cifar10", "vgg19", "greedy", 8))
    assert found is not None
    assert (found.value, found.provenance) == (91.0, "abstract of the ICML paper")
    assert found.elsewhere == "91.7 (quoted by a third party; not checked against the paper)"
