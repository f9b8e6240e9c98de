"""What opens the README: whether the paper holds, in a minute, and the table of the claims that were tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, by_network, only
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import network_title, number
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.accuracy_by_options import K_SWEEP
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.recipe_comparison import RECIPE_STUDY
from slotpipeline.reporting.claim_table import ORDER, JudgedClaims, counts, part_words
from slotpipeline.reporting.tables import CHOSE_NOTE
from slotpipeline.results.claims import Statistic
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import ByRecipe

LISTED = 2
"""Claims of one verdict that are named before the table; contradicted ones all are."""
WHOSE = {"paper": "the text's settings", "code": "the code's"}
"""Recipes of the published settings -> whose they are."""
MAIN_OPTIONS = 8
"""K of the paper's main numbers."""
QUESTION = (
    "The paper ([Aladago and Torresani, ICML 2021](https://arxiv.org/abs/2101.06475)) never trains a weight: each "
    "connection has K random values, and training selects one of them. Is that as good as training the weights?"
)
HEADS = {
    ClaimVerdict.SUPPORTED: "Holds",
    ClaimVerdict.CONTRADICTED: "Does not hold",
    ClaimVerdict.UNDECIDED: "Open",
}


def opening(claims: JudgedClaims, grids: Sequence[Results]) -> str:
    """The first lines of the README, from the verdicts and the recorded runs alone.

    Args:
        grids: all that were recorded; of those with claims, it is said how many runs are finished.
    """
    lines = [QUESTION, ""]
    for dataset in dict.fromkeys(one.scope.dataset for one in claims.judged):
        lines += _dataset(claims, [one for one in claims.judged if one.scope.dataset == dataset])
    registered = _registered_grids(claims)
    exploratory = [results for results in grids if results.config["grid"] not in registered]
    for results in exploratory:
        lines += [recipe_finding(results, claims)]
        if not _decided(claims):
            lines += [main_finding(results)]
    lines += [f"* {_progress(claims, grids)} {claims.registration.history}"]
    return "\n".join(line for i, line in enumerate(lines) if line or i == 1)


def _decided(claims: JudgedClaims) -> bool:
    """Whether any claim holds or does not: exploratory numbers then need no place at the top."""
    return any(one.verdict in (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED) for one in claims.judged)


def _registered_grids(claims: JudgedClaims) -> set[str]:
    """The grids whose runs give verdicts, now or once their recipe is decided."""
    return {one.scope.grid for one in claims.judged}


def _progress(claims: JudgedClaims, grids: Sequence[Results]) -> str:
    """How many of the runs that give verdicts are finished."""
    names = {one.scope.grid for one in claims.judged if one.scope.is_frozen}
    said = []
    for results in grids:
        if results.config["grid"] in names:
            planned = {run.identity for run in grid_runs(results.config)}
            done = len(planned & set(results.runs["identity"]))
            said.append(f"{done} of {len(planned)} runs of the {results.config['grid']} study are finished.")
    return " ".join(said) or "No run that counts is finished."


def _dataset(claims: JudgedClaims, here: list[JudgedClaim]) -> list[str]:
    """How many claims on one dataset have which verdict, and the most important ones by name."""
    names = ", ".join(dict.fromkeys(network_label(one.scope.network) for one in here))
    label = f"{dataset_label(here[0].scope.dataset)} ({names})"
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
        return [f"* **{label}: not tested yet** ({len(here)} claims)."]
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts(here).items() if count)
    lines = [f"* **{label}: of {len(here)} claims, {found}.**"]
    for verdict in ORDER[:-1]:
        listed = [one for one in here if one.verdict is verdict]
        shown = listed if verdict is ClaimVerdict.CONTRADICTED else listed[:LISTED]
        more = f" And {len(listed) - len(shown)} more." if len(listed) > len(shown) else ""
        if shown:
            sentences = " ".join(one.claim.sentence + claims.mark(one) for one in shown)
            lines.append(f"  *{HEADS[verdict]}:* {sentences}{more}")
    return lines


def main_finding(results: Results) -> str:
    """Selected beside learned weights in an exploratory grid, with the published numbers; "" without such runs."""
    if K_SWEEP.name not in results.config["experiments"]:
        return ""
    lines = []
    for dataset, network, found in by_network(experiment_results(results, K_SWEEP.name)):
        selected, learned = only(found, "greedy", MAIN_OPTIONS), only(found, "learned")
        if selected is None or learned is None or not selected.n or not learned.n or not selected.published_here:
            continue
        theirs = [one.published_here.value if one.published_here else None for one in (selected, learned)]
        lines.append(
            f"* **Exploratory runs, which give no verdict**: {network_title(dataset, network)} reaches "
            f"{number(selected.mean)}% with selected random weights (K = {MAIN_OPTIONS}) and {number(learned.mean)}% "
            f"with learned ones ({selected.n} seeds, {selected.epochs} epochs). The paper has {number(theirs[0])}% and "
            f"{number(theirs[1])}%."
        )
    return "\n".join(lines)


def recipe_finding(results: Results, claims: JudgedClaims | None = None) -> str:
    """Whether the text or the released code gives the published numbers, by the recipe study of a grid; "" without.

    The study is exploratory: the recipe was chosen by it. Registered claims on the same question stand beside it.
    """
    if RECIPE_STUDY.name not in results.config["experiments"]:
        return ""
    found = [one for one in experiment_results(results, RECIPE_STUDY.name) if one.n and one.method == "greedy"]
    lines = []
    for network in dict.fromkeys(one.network for one in found):
        here = [one for one in found if one.network == network]
        text, code = (_of_recipe(here, recipe) for recipe in ("paper", "code"))
        chosen = [one for one in here if one.is_chosen_by]
        options = [one.options for one in chosen]
        if not chosen or [one.options for one in text] != options or [one.options for one in code] != options:
            continue
        published = _values(one.paper.value if one.paper else None for one in chosen)
        at = " and ".join(map(str, options))
        seeds = min(one.n for one in [*text, *code, *chosen])
        lines.append(
            f"* **{_headline(text, code, chosen)}** {network_title(here[0].dataset, network)} at K = {at}: the paper "
            f"says {published}%, the text's settings give {_values(one.mean for one in text)}%, the code's "
            f"{_values(one.mean for one in code)}%, the text's with the code's random values and scores "
            f"{_values(one.mean for one in chosen)}%. We chose our settings by this study ({seeds} seeds, "
            f"{chosen[0].epochs} epochs), so it is no evidence for the paper."
            f"{_registered(claims, network)}"
        )
    return "\n".join(lines)


def _headline(text: Sequence[CellResult], code: Sequence[CellResult], chosen: Sequence[CellResult]) -> str:
    """What the recipe study of a network found, in one sentence; no more than its means say."""

    def give(found: Sequence[CellResult]) -> bool:
        pairs = [(one.mean - one.paper.value, one.tolerance) for one in found if one.paper is not None]
        return bool(pairs) and all(
            tolerance is not None and abs(difference) <= tolerance for difference, tolerance in pairs
        )

    if give(chosen) and not give(text) and not give(code):
        return (
            "Largest finding: neither the paper's text nor the released code gives the paper's numbers; a mixture does "
            "(exploratory)."
        )
    giving = [whose for whose, found in (("the text's", text), ("the code's", code), ("ours", chosen)) if give(found)]
    return f"Settings that come within the tolerance of the paper's numbers: {', '.join(giving) or 'none'}."


def _registered(claims: JudgedClaims | None, network: str) -> str:
    """The verdicts of the claims that the settings of the text, or of the code, give the paper's numbers."""
    said = {
        one.claim.cells.recipe: f"{WHOSE[one.claim.cells.recipe]} {one.verdict}"
        for one in reversed(claims.judged if claims else [])
        if one.scope.network == network and one.claim.kind is Statistic.NUMBERS and one.claim.cells.recipe in WHOSE
    }
    return (
        f" The registered test of it: {', '.join(said[recipe] for recipe in WHOSE if recipe in said)}." if said else ""
    )


def _of_recipe(found: Iterable[CellResult], recipe: str) -> list[CellResult]:
    return [one for one in found if one.cell.variant == ByRecipe(recipe)]


def _values(means: Iterable[float | None]) -> str:
    return " and ".join(number(mean) for mean in means)


def claim_rows(claims: JudgedClaims) -> pd.DataFrame:
    """One row per claim that was tested, short enough for the README: of its parts the one that it hangs on."""
    rows = pd.DataFrame(
        {
            "claim": f"{one.claim.name.replace('-', ' ')}{claims.mark(one)}",
            "network": network_label(one.scope.network),
            "verdict": str(one.verdict),
            "mean (90% interval)": _weakest(one),
        }
        for one in sorted(claims.judged, key=lambda one: ORDER.index(one.verdict))
        if one.verdict is not ClaimVerdict.NOT_RUN
    )
    if not rows.empty and rows["network"].nunique() == 1:
        return rows.drop(columns="network").rename(columns={"claim": f"claim, on {rows['network'].iloc[0]}"})
    return rows


def _weakest(one: JudgedClaim) -> str:
    """The part that contradicts a claim, or is the least certain to support it, and how many parts there are."""
    run = [part for part in one.deciding if part.n]
    against = [part for part in run if part.verdict is one.verdict is ClaimVerdict.CONTRADICTED] or run
    part = max(against, key=lambda part: -1.0 if part.p_value is None else part.p_value)
    others = f" (1 of {len(one.deciding)} comparisons)" if len(one.deciding) > 1 else ""
    return f"{part_words(one, part)}{others}"


def claims_for_readme(claims: JudgedClaims) -> str:
    """The table of the claims that were tested, and its note."""
    rows = claim_rows(claims)
    if rows.empty:
        return "No claim was tested yet."
    note = f"\n\n{CHOSE_NOTE}" if any(claims.mark(one) for one in claims.judged) else ""
    return f"{rows.to_markdown(index=False, disable_numparse=True)}{note}"
