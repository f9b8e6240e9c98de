"""What opens the README: whether the paper holds, in a minute, and the table of the claims that were tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult, by_network, only
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part
from slotpipeline.analysis.text import network_title, number
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.accuracy_by_options import K_SWEEP
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.recipe_comparison import RECIPE_STUDY
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import (
    ORDER,
    by_answer,
    claim_sentence,
    needs_words,
    part_words,
    seeds_words,
    so_far,
    tally,
)
from slotpipeline.reporting.tables import CHOSE_NOTE
from slotpipeline.results.claims import Statistic
from slotpipeline.results.read import Results
from slotpipeline.runs.cell import ByRecipe

LISTED = 4
"""Claims of one answer that are named before the table; those that do not hold all are."""
MAIN_CLAIM = "few-options-match-learned"
"""The claim that answers the question."""
TUNED_CLAIM = "few-options-match-tuned"
"""The same claim against learned weights with better settings than the paper's."""
MAIN_ANSWERS = {
    ClaimVerdict.SUPPORTED: "yes",
    ClaimVerdict.CONTRADICTED: "no",
    ClaimVerdict.UNDECIDED: "too early to say",
    ClaimVerdict.NOT_RUN: "not tested yet",
}
NO_EVIDENCE = "no evidence"
"""Beside the verdict on a number that chose the recipe."""
WHOSE = {"paper": "the text's settings", "code": "the code's"}
"""Recipes of the published settings -> whose they are."""
MAIN_OPTIONS = 8
"""K of the paper's main numbers."""
SO_FAR_NOTE = (
    "*So far*: not all registered seeds are finished. They all will be, whatever the verdict is now. *Supported if*: "
    "where the whole interval has to lie."
)
QUESTION = (
    "The paper ([Aladago and Torresani, ICML 2021](https://arxiv.org/abs/2101.06475)) never trains a weight: each "
    "connection has K random values, and training selects one of them. Is that as good as training the weights?"
)


def opening(claims: JudgedClaims, grids: Sequence[Results]) -> str:
    """The first lines of the README, from the verdicts and the recorded runs alone.

    Args:
        grids: all that were recorded; of those with claims, it is said how many runs are finished.
    """
    lines = [QUESTION, ""]
    for dataset in dict.fromkeys(one.scope.dataset for one in claims.judged):
        lines += _dataset(claims, [one for one in claims.judged if one.scope.dataset == dataset], grids)
    registered = _registered_grids(claims)
    for results in grids:
        if results.config["grid"] not in registered:
            lines += [recipe_finding(results, claims)]
            if all(one.verdict is ClaimVerdict.NOT_RUN for one in claims.judged):
                lines += [main_finding(results)]
    lines += [f"* {_progress(claims, grids)} {claims.registration.history}"]
    return "\n".join(line for i, line in enumerate(lines) if line or i == 1)


def _registered_grids(claims: JudgedClaims) -> set[str]:
    """The grids whose runs give verdicts, now or once their recipe is decided."""
    return {one.scope.grid for one in claims.judged}


def _progress(claims: JudgedClaims, grids: Sequence[Results]) -> str:
    """How many of the runs that give verdicts are finished."""
    names = {one.scope.grid for one in claims.judged if one.scope.is_frozen}
    said = []
    for results in grids:
        if results.config["grid"] in names:
            trained = [run for run in grid_runs(results.config) if run.settings.epochs]
            done = len({run.identity for run in trained} & set(results.runs["identity"]))
            grid = f"the {results.config['grid']} study, all of fresh seeds,"
            said.append(f"{done} of {len(trained)} trainings of {grid} are finished.")
    return " ".join(said) or "No run that counts is finished."


def _dataset(claims: JudgedClaims, here: list[JudgedClaim], grids: Sequence[Results]) -> list[str]:
    """The answer on one dataset, and the claims behind it: how many have which verdict, and the main ones by name."""
    names = ", ".join(dict.fromkeys(network_label(one.scope.network) for one in here))
    label = f"{dataset_label(here[0].scope.dataset)} ({names})"
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
        return [f"* **{label}: not tested yet** ({len(here)} claims)."]
    main = [one for one in here if one.claim.name == MAIN_CLAIM]
    tested = [one for one in main if one.verdict is not ClaimVerdict.NOT_RUN]
    answers = dict.fromkeys(_main_answer(one) for one in main)
    numbers = [_main_numbers(one, len(main) > 1, grids) for one in tested]
    lines = [f"* **{label}: {', '.join(answers)}.** {' '.join(numbers)}{_against_tuned(here) if tested else ''}"]
    for words, found in by_answer([one for one in here if one not in tested and not claims.mark(one)]).items():
        listed = found if found[0].verdict is ClaimVerdict.CONTRADICTED else found[:LISTED]
        more = f" And {len(found) - len(listed)} more." if len(found) > len(listed) else ""
        lines.append(f"  *{words}:* {' '.join(map(claim_sentence, listed))}{more}")
    if not any(one.verdict is ClaimVerdict.CONTRADICTED for one in here):
        lines.append("  *Does not hold so far:* none.")
    chose = [one for one in here if claims.mark(one) and one.verdict is not ClaimVerdict.NOT_RUN]
    if chose:
        said = "; ".join(f"{one.claim.sentence.rstrip('.')}: {one.verdict}{so_far(one)}" for one in chose)
        lines.append(f"  *No evidence{claims.mark(chose[0])}, as these numbers chose our settings:* {said}.")
    return [*lines, f"  {tally(here, claims.mark)}"]


def _main_answer(one: JudgedClaim) -> str:
    if one.verdict is ClaimVerdict.UNDECIDED and one.is_final:
        return "undecided"
    is_open = one.verdict in (ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
    return f"{MAIN_ANSWERS[one.verdict]}{'' if is_open else so_far(one)}"


def _main_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """How far selected weights lie above learned ones, at each K that was run, and which K were not."""
    run, missing = ([part for part in one.deciding if bool(part.n) is has] for has in (True, False))
    network = f" of {network_label(one.scope.network)}" if names_network else ""
    found = "; ".join(
        f"{part_words(one, part)}{_both_accuracies(part, grids)}, {part.n} of {one.seeds} seeds" for part in run
    )
    left = f" Not run: {', '.join(part.name for part in missing)}." if missing else ""
    return f"Test accuracy{network} less that of learned weights, in points (90% interval): {found}.{left}"


def _both_accuracies(part: Part, grids: Sequence[Results]) -> str:
    """The mean accuracies of selected and of learned weights, of which a comparison gives the difference."""
    for results in grids:
        means = results.runs_of(part.identities).groupby("method")["test_accuracy"].mean()
        if "learned" in means and len(means) == 2:
            return f", {number(means.drop('learned').iloc[0])}% less {number(means['learned'])}%"
    return ""


def _against_tuned(here: Sequence[JudgedClaim]) -> str:
    """What the claim says that has learned weights with tuned settings on the other side."""
    tuned = dict.fromkeys(f"{one.verdict}{so_far(one)}" for one in here if one.claim.name == TUNED_CLAIM)
    return f" The same against learned weights with tuned settings: {', '.join(tuned)}." if tuned else ""


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
    for dataset, network in dict.fromkeys((one.dataset, one.network) for one in found):
        here = [one for one in found if (one.dataset, one.network) == (dataset, network)]
        text, code = (_of_recipe(here, recipe) for recipe in ("paper", "code"))
        chosen = [one for one in here if one.is_chosen_by]
        options = [one.options for one in chosen]
        if not chosen or [one.options for one in text] != options or [one.options for one in code] != options:
            continue
        published = _values(one.paper.value if one.paper else None for one in chosen)
        seeds = min(one.n for one in [*text, *code, *chosen])
        lines.append(
            f"* **{_headline(text, code, chosen)}** {network_title(dataset, network)}, K = "
            f"{' / '.join(map(str, options))}: the paper says {published}%; the text's settings give "
            f"{_values(one.mean for one in text)}%, the code's {_values(one.mean for one in code)}%. The text's "
            f"settings, but with random values and scores drawn as in the code, give "
            f"{_values(one.mean for one in chosen)}% ({seeds} seeds, {chosen[0].epochs} epochs). "
            f"We chose this mixture because its test accuracy matched, so its match proves nothing."
            f"{_registered(claims, dataset, network)}"
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
        return "Exploratory: neither the paper's text nor the released code gives the paper's numbers; a mixture does."
    giving = [whose for whose, found in (("the text's", text), ("the code's", code), ("ours", chosen)) if give(found)]
    return f"Settings that come within the tolerance of the paper's numbers: {', '.join(giving) or 'none'}."


def _registered(claims: JudgedClaims | None, dataset: str, network: str) -> str:
    """The verdicts of the claims that the settings of the text, or of the code, give the paper's numbers."""
    said = {
        one.claim.cells.recipe: f"{WHOSE[one.claim.cells.recipe]} {one.verdict}{so_far(one)}"
        for one in reversed(claims.judged if claims else [])
        if (one.scope.dataset, one.scope.network) == (dataset, network)
        and one.claim.kind is Statistic.NUMBERS
        and one.claim.cells.recipe in WHOSE
    }
    if not said:
        return ""
    if set(said.values()) == {f"{WHOSE[recipe]} {ClaimVerdict.NOT_RUN}" for recipe in said}:
        return " The registered test of it is not run yet."
    return f" The registered test of it: {', '.join(said[recipe] for recipe in WHOSE if recipe in said)}."


def _of_recipe(found: Iterable[CellResult], recipe: str) -> list[CellResult]:
    return [one for one in found if one.cell.variant == ByRecipe(recipe)]


def _values(means: Iterable[float | None]) -> str:
    return " / ".join(number(mean) for mean in means)


def claim_rows(claims: JudgedClaims) -> pd.DataFrame:
    """One row per claim that was tested, short enough for the README: of its parts the one that it hangs on."""
    rows = pd.DataFrame(
        {
            "claim": f"{_short_name(one)}{claims.mark(one)}",
            "network": network_label(one.scope.network),
            "verdict": f"{one.verdict}{so_far(one)}{f', {NO_EVIDENCE}' if claims.mark(one) else ''}",
            "difference (90% interval)": _weakest(one),
            "supported if": needs_words(one),
            "seeds": seeds_words(one),
        }
        for one in sorted(claims.judged, key=lambda one: ORDER.index(one.verdict))
        if one.verdict is not ClaimVerdict.NOT_RUN
    )
    if not rows.empty and rows["network"].nunique() == 1:
        return rows.drop(columns="network").rename(columns={"claim": f"claim, on {rows['network'].iloc[0]}"})
    return rows


def _short_name(one: JudgedClaim) -> str:
    """The name of a claim; of a claim about a number its sentence, which says of which one."""
    if one.claim.kind is Statistic.NUMBERS:
        return one.claim.sentence.rstrip(".")
    return one.claim.name.replace("-", " ")


def _weakest(one: JudgedClaim) -> str:
    """The part that contradicts a claim, or is the least certain to support it, and how many others there are."""
    run = [part for part in one.deciding if part.n]
    against = [part for part in run if part.verdict is one.verdict is ClaimVerdict.CONTRADICTED] or run
    part = max(against, key=lambda part: -1.0 if part.p_value is None else part.p_value)
    missing = len(one.deciding) - len(run)
    notes = [
        f"of {len(run)} comparisons the least certain" if len(run) > 1 else "",
        f"{missing} more not run" if missing else "",
    ]
    said = "; ".join(filter(None, notes))
    return f"{part_words(one, part)}{f' [{said}]' if said else ''}"


def claims_for_readme(claims: JudgedClaims) -> str:
    """The table of the claims that were tested, and its notes."""
    rows = claim_rows(claims)
    if rows.empty:
        return "No claim was tested yet."
    tested = [one for one in claims.judged if one.verdict is not ClaimVerdict.NOT_RUN]
    notes = [f"\n{SO_FAR_NOTE}" if any(so_far(one) for one in tested) else ""]
    notes += [f"\n{CHOSE_NOTE}" if any(claims.mark(one) for one in tested) else ""]
    return "\n".join([rows.to_markdown(index=False, disable_numparse=True), *filter(None, notes)])
