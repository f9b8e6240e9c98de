"""What the exploratory runs say, which give no verdict: for the first lines of the README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slotpipeline.analysis.cell_results import CellResult, by_network, only
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import network_title, number
from slotpipeline.experiments.accuracy_by_options import K_SWEEP
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.recipe_comparison import RECIPE_STUDY
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import seeds_words, so_far
from slotpipeline.results.claims import Statistic
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import ByRecipe

NEITHER = (
    "Neither the settings of the paper's text nor those of the released code give the paper's numbers: both claims are "
    "contradicted."
)
WHOSE = {"paper": "the text's settings", "code": "the code's"}
"""Recipes of the published settings -> whose they are."""


@dataclass(frozen=True)
class Finding:
    """What the recipe study of a network found, and the registered claims that it tells already."""

    text: str
    told: Sequence[JudgedClaim] = ()


MAIN_OPTIONS = 8
"""K of the paper's main numbers."""


def first_runs(results: Results, of_dataset: str) -> list[str]:
    """Selected beside learned weights in the runs of a dataset that give no verdict, with the published numbers.

    One sentence per network that has both.
    """
    if K_SWEEP.name not in results.config["experiments"]:
        return []
    said = []
    for dataset, network, found in by_network(experiment_results(results, K_SWEEP.name)):
        selected, learned = only(found, "greedy", MAIN_OPTIONS), only(found, "learned")
        if dataset != of_dataset or selected is None or learned is None or not selected.n or not learned.n:
            continue
        if selected.published_here is None or learned.published_here is None:
            continue
        theirs = selected.published_here.value, learned.published_here.value
        said.append(
            f"{network_title(dataset, network)}: selected weights (K = {MAIN_OPTIONS}, {selected.n} seeds, "
            f"{selected.epochs} epochs) end "
            f"{_apart(selected.mean, learned.mean)} learned ones ({learned.n} seeds), {number(selected.mean)}% against "
            f"{number(learned.mean)}%; in the paper, {_apart(*theirs)} ({number(theirs[0])}% against "
            f"{number(theirs[1])}%)."
        )
    return said


def _apart(selected: float, learned: float) -> str:
    difference = selected - learned
    return f"{number(abs(difference))} points {'above' if difference > 0 else 'below'}"


def recipe_findings(results: Results, of_dataset: str, claims: JudgedClaims | None = None) -> list[Finding]:
    """Whether the text or the released code gives the published numbers of a dataset, by the recipe study of a grid.

    The study is exploratory: the recipe was chosen by it. Registered claims on the same question stand beside it.
    """
    if RECIPE_STUDY.name not in results.config["experiments"]:
        return []
    found = [one for one in experiment_results(results, RECIPE_STUDY.name) if one.n and one.method == "greedy"]
    found = [one for one in found if one.dataset == of_dataset]
    findings = []
    for dataset, network in dict.fromkeys((one.dataset, one.network) for one in found):
        here = [one for one in found if (one.dataset, one.network) == (dataset, network)]
        text, code = (_of_recipe(here, recipe) for recipe in ("paper", "code"))
        chosen = [one for one in here if one.is_chosen_by]
        options = [one.options for one in chosen]
        if not chosen or [one.options for one in text] != options or [one.options for one in code] != options:
            continue
        published = _values(one.paper.value if one.paper else None for one in chosen)
        seeds = min(one.n for one in [*text, *code, *chosen])
        verdicts = _verdicts(claims, dataset, network)
        chose = (
            f"We chose this mixture (recipe {results.config['recipe']}) because its test accuracy matched, so its "
            "match proves nothing."
        )
        if _both_contradicted(verdicts) and _give(chosen):
            ours = " and ".join(f"{_differences(verdicts[recipe])} with {whose}" for recipe, whose in WHOSE.items())
            said = (
                f"**{NEITHER}** {network_title(dataset, network)}, our accuracy minus the paper's: {ours}. A mixture "
                f"came close in exploratory runs ({seeds} seeds, {chosen[0].epochs} epochs): "
                f"{_values(one.mean for one in chosen)}% at K = {' / '.join(map(str, options))}, where the paper has "
                f"{published}%. It has the text's settings, but random values and scores drawn as in the code. {chose}"
            )
            findings.append(Finding(said, list(verdicts.values())))
            continue
        said = (
            f"**{_headline(text, code, chosen)}** {network_title(dataset, network)}, K = "
            f"{' / '.join(map(str, options))}: the paper says {published}%. In exploratory runs ({seeds} seeds, "
            f"{chosen[0].epochs} epochs) the text's settings give {_values(one.mean for one in text)}%, the code's "
            f"{_values(one.mean for one in code)}%; the text's settings, but with random values and scores drawn as in "
            f"the code, {_values(one.mean for one in chosen)}%. "
            f"{chose}{_registered(verdicts)}"
        )
        findings.append(Finding(said))
    return findings


def _headline(
    text: Sequence[CellResult],
    code: Sequence[CellResult],
    chosen: Sequence[CellResult],
) -> str:
    """What the recipe study of a network found, in one sentence; no more than its means say."""
    if _give(chosen) and not _give(text) and not _give(code):
        return "Exploratory: neither the paper's text nor the released code gives the paper's numbers; a mixture does."
    giving = [whose for whose, found in (("the text's", text), ("the code's", code), ("ours", chosen)) if _give(found)]
    return f"Settings that come within the tolerance of the paper's numbers: {', '.join(giving) or 'none'}."


def _give(found: Sequence[CellResult]) -> bool:
    """Whether the means of some cells come within the tolerance of the published numbers."""
    pairs = [(one.mean - one.paper.value, one.tolerance) for one in found if one.paper is not None]
    return bool(pairs) and all(
        tolerance is not None and abs(difference) <= tolerance for difference, tolerance in pairs
    )


def _differences(one: JudgedClaim) -> str:
    """Our accuracies less the published ones, by K."""
    parts = [part for part in one.deciding if part.mean is not None]
    options = " / ".join(part.name.removeprefix("K = ") for part in parts)
    found = " / ".join(number(part.mean, "+.2f") for part in parts)
    return f"{found} points at K = {options} ({seeds_words(one)} seeds)"


def _verdicts(claims: JudgedClaims | None, dataset: str, network: str) -> dict[str, JudgedClaim]:
    """Recipe -> the claim that the settings of the text, or of the code, give the paper's numbers."""
    return {
        one.claim.cells.recipe: one
        for one in reversed(claims.judged if claims else [])
        if (one.scope.dataset, one.scope.network) == (dataset, network)
        and one.claim.kind is Statistic.NUMBERS
        and one.claim.cells.recipe in WHOSE
    }


def _both_contradicted(verdicts: Mapping[str, JudgedClaim]) -> bool:
    """Whether neither the text's settings nor the code's give the numbers, whatever runs may follow."""
    return verdicts.keys() == WHOSE.keys() and all(
        one.verdict is ClaimVerdict.CONTRADICTED and one.is_final for one in verdicts.values()
    )


def _registered(verdicts: Mapping[str, JudgedClaim]) -> str:
    """The verdicts of these claims."""
    if not verdicts:
        return ""
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in verdicts.values()):
        return " Registered claims on this, with fresh seeds, are not run yet."
    listed = "; ".join(
        f"{whose}, {verdicts[recipe].verdict}{so_far(verdicts[recipe])}"
        for recipe, whose in WHOSE.items()
        if recipe in verdicts
    )
    return f" Registered claims with fresh seeds, that settings give the paper's numbers: {listed}."


def _of_recipe(found: Iterable[CellResult], recipe: str) -> list[CellResult]:
    return [one for one in found if one.cell.variant == ByRecipe(recipe)]


def _values(means: Iterable[float | None]) -> str:
    return " / ".join(number(mean) for mean in means)
