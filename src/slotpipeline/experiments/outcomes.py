"""What the experiments of a grid gave: the result of each cell, comparisons, measures, and what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slotmachines.errors import UserError
from slotpipeline.analysis.cell_results import CellResult, by_network, cell_result
from slotpipeline.analysis.comparisons import Comparison, compare
from slotpipeline.analysis.evidence import Evidence, Measured
from slotpipeline.analysis.text import network_title
from slotpipeline.experiments.grid import cells_of, seeds_of
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.results.read import Results


def experiment_results(results: Results, experiment: str) -> list[CellResult]:
    """The result of every cell that the grid expects of an experiment, whether or not it was run.

    Raises:
        UserError: the grid has no such experiment, or its tolerances do not fit.
    """
    config = results.config
    if experiment not in config["experiments"]:
        raise UserError(f"the grid {config['grid']} has no {experiment}; it has {', '.join(config['experiments'])}")
    seeds = seeds_of(config, experiment)
    return [cell_result(results, cell, seeds, experiment) for cell in cells_of(config, experiment)]


def grid_results(results: Results) -> dict[str, list[CellResult]]:
    """Experiment -> the results of its cells, of all experiments of a grid."""
    return {name: experiment_results(results, name) for name in results.config["experiments"]}


def comparisons(experiment: str, found: Sequence[CellResult]) -> list[Comparison]:
    """The comparisons of an experiment that its runs allow, in the order of its table."""
    pairs_of = EXPERIMENTS[experiment].pairs
    return compare(pair for _, _, part in by_network(found) for pair in pairs_of([one for one in part if one.n]))


def measures(results: Results, experiment: str, found: Sequence[CellResult]) -> list[Measured]:
    """What an experiment measures, beside accuracy, in each of its cells that was run.

    Raises:
        UserError: a file of what was measured beforehand (`make measure`, `make bench`) is missing.
    """
    declared = EXPERIMENTS[experiment].measure
    if declared is None:
        return []
    measure = declared(results, found)
    return [Measured(one, measure(one)) for one in found if one.n]


def findings(
    results: Results, experiment: str, found: Sequence[CellResult], measured: Sequence[Measured]
) -> list[tuple[str, list[str]]]:
    """What we found in an experiment: each network with its statements; one without the needed runs says so.

    Args:
        found, measured: of the experiment, see `experiment_results` and `measures`.
    """
    compared = comparisons(experiment, found)
    known = [
        Measured(one.result, {name: value for name, value in one.values.items() if not math.isnan(value)})
        for one in measured
    ]
    statements = []
    for dataset, network, part in by_network(found):
        here = Evidence(
            found=[one for one in part if one.n],
            comparisons=[one for one in compared if one.first.network == network],
            measured=[one for one in known if one.result.network == network],
            config=results.config,
        )
        said = EXPERIMENTS[experiment].sentences(here) if here.found else []
        statements.append((network_title(dataset, network), said or ["not enough runs yet to say anything"]))
    return statements
