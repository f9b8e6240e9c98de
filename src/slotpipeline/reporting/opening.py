"""What opens the README: whether the paper holds, in a minute, and the table of the claims that were tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part
from slotpipeline.analysis.evidence import compared
from slotpipeline.analysis.text import number
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.finetuning import FINETUNE
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import comparisons, experiment_results
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import (
    CHOSEN_TO_MATCH,
    ORDER,
    by_answer,
    claim_sentence,
    counted,
    full_sentence,
    needs_words,
    part_words,
    seeds_words,
    so_far,
)
from slotpipeline.reporting.exploratory import first_runs, recipe_finding
from slotpipeline.reporting.tables import CHOSE_NOTE
from slotpipeline.results.claims import Statistic
from slotpipeline.results.read import Results

LISTED = 4
"""Claims of one answer that are named before the table; those that do not hold all are."""
FINETUNING_CLAIM = "finetuning-beats-scratch"
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
SO_FAR_NOTE = (
    "*So far*: not all registered seeds are finished. They all will be, whatever the verdict is now. *Supported if*: "
    "where the whole interval has to lie. Each claim is tested by itself, at 5%."
)
SAME_SETTINGS = "The other claims use the same settings."
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
            untrained = len(grid_runs(results.config)) - len(trained)
            done = len({run.identity for run in trained} & set(results.runs["identity"]))
            grid = f"the {results.config['grid']} study"
            said.append(
                f"{done} of {len(trained)} trainings of {grid} are finished ({untrained} untrained networks give the "
                "chance level)."
            )
    return " ".join(said) or "No run that counts is finished."


def _dataset(claims: JudgedClaims, here: list[JudgedClaim], grids: Sequence[Results]) -> list[str]:
    """The answer on one dataset, and the claims behind it: how many have which verdict, and the main ones by name."""
    names = ", ".join(dict.fromkeys(network_label(one.scope.network) for one in here))
    label = f"{dataset_label(here[0].scope.dataset)} ({names})"
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
        why = "not tested yet" if any(one.scope.is_frozen for one in here) else "no verdict, as its settings are open"
        seen = [said for results in grids for said in first_runs(results, here[0].scope.dataset)]
        return [f"* **{label}: {why}** ({len(here)} claims).", *(f"  *Exploratory:* {said}" for said in seen)]
    main = [one for one in here if one.claim.name == MAIN_CLAIM]
    tested = [one for one in main if one.verdict is not ClaimVerdict.NOT_RUN]
    tuned = [one for one in here if one.claim.name == TUNED_CLAIM and one.verdict is not ClaimVerdict.NOT_RUN]
    answers = ", ".join(dict.fromkeys(_main_answer(one) for one in main))
    if tuned:
        answers += f"; against tuned learned weights: {', '.join(dict.fromkeys(_main_answer(one) for one in tuned))}"
    numbers = [_main_numbers(one, len(main) > 1, grids) for one in tested]
    if tested and any(claims.mark(one) for one in here):
        numbers.append(f"All with the recipe {tested[0].recipe}, which we chose by the numbers marked †.")
    if tested:
        numbers += [_tuned_numbers(one, len(main) > 1, grids) for one in tuned] or [_tuned_not_run(here)]
    lines = [f"* **{label}: {answers}.** {' '.join(filter(None, numbers))}"]
    for words, found in by_answer([one for one in here if one not in [*tested, *tuned]], claims.mark).items():
        listed = found if found[0].verdict is ClaimVerdict.CONTRADICTED else found[:LISTED]
        more = f" And {len(found) - len(listed)} more." if len(found) > len(listed) else ""
        said = " ".join(f"{claim_sentence(one, claims.mark)}{_beside(one, grids)}" for one in listed)
        lines.append(f"  *{words}:* {said}{more}")
    if not any(one.verdict is ClaimVerdict.CONTRADICTED for one in here):
        lines.append("  *Does not hold so far:* none.")
    return [*lines, f"  {counted(here, claims.mark)}"]


def _main_answer(one: JudgedClaim) -> str:
    if one.verdict is ClaimVerdict.UNDECIDED and one.is_final:
        return "undecided"
    is_open = one.verdict in (ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
    return f"{MAIN_ANSWERS[one.verdict]}{'' if is_open else so_far(one)}"


def _main_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """What selected and learned weights reach, and how far apart they are."""
    network = f" of {network_label(one.scope.network)}" if names_network else ""
    run = [part for part in one.deciding if part.n]
    selected, learned = _reached(run, grids)
    ours = f"Selected weights{network} reach {selected} on the test images, learned weights {learned}. "
    reached = ours if selected else ""
    return f"{reached}The difference in points, with its 90% interval{_differences(one)}"


def _tuned_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """The same against learned weights with tuned settings."""
    network = f" of {network_label(one.scope.network)}" if names_network else ""
    learned = _reached([part for part in one.deciding if part.n], grids)[1]
    reached = f" reach {learned}" if learned else ""
    return (
        "These learned weights have the settings of the paper's code. "
        f"Learned weights{network} with tuned settings{reached}; slot machines were not tuned for accuracy. "
        f"The difference to them{_differences(one)}"
    )


def _tuned_not_run(here: Sequence[JudgedClaim]) -> str:
    if any(one.claim.name == TUNED_CLAIM for one in here):
        return "The learned weights have the settings of the paper's code; against tuned ones: not tested yet."
    return ""


def _differences(one: JudgedClaim) -> str:
    """How far apart they are at each K that was run, over how many seeds, and which K were not run."""
    run, missing = ([part for part in one.deciding if bool(part.n) is has] for has in (True, False))
    counts = {part.n for part in run}
    each = f" ({counts.pop()} of {one.seeds} seeds each)" if len(counts) == 1 else ""
    found = "; ".join(f"{part_words(one, part)}{'' if each else f', {part.n} of {one.seeds} seeds'}" for part in run)
    left = f" Not run: {', '.join(part.name for part in missing)}." if missing else ""
    return f"{each}: {found}.{left}"


def _reached(parts: Sequence[Part], grids: Sequence[Results]) -> tuple[str, str]:
    """The mean test accuracies of selected and of learned weights behind comparisons; blank if any is missing."""
    selected: list[float] = []
    learned: list[float] = []
    for part in parts:
        for results in grids:
            by_method: dict[str, list[float]] = defaultdict(list)
            for row in results.runs_of(part.identities):
                by_method[row["method"]].append(row["test_accuracy"])
            if "learned" in by_method and len(by_method) == 2:
                learned.append(fmean(by_method.pop("learned")))
                selected.append(fmean(*by_method.values()))
                break
    if len(selected) < len(parts):
        return "", ""
    return _percent(selected), _percent(learned)


def _percent(values: Sequence[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return f"{low}%" if low == high else f"{low} to {high}%"


def _beside(one: JudgedClaim, grids: Sequence[Results]) -> str:
    """Behind the claim on finetuning: what it adds to the slot machine that it starts from."""
    if one.claim.name != FINETUNING_CLAIM:
        return ""
    for results in grids:
        if results.config["grid"] == one.scope.grid:
            found = [cell for cell in experiment_results(results, FINETUNE.name) if cell.network == one.scope.network]
            for pair in comparisons(FINETUNE.name, found):
                if pair.first.cell.start_epoch and pair.second.method == "greedy":
                    return f" Finetuning ends {compared(pair, 'the slot machine itself')}."
    return ""


def claim_rows(claims: JudgedClaims) -> pd.DataFrame:
    """One row per claim that was tested, short enough for the README: of its parts the one that it hangs on."""
    rows = pd.DataFrame(
        {
            "claim": f"{_short_name(one)}{claims.mark(one)}",
            "network": network_label(one.scope.network),
            "verdict": f"{one.verdict}{so_far(one)}{f', {CHOSEN_TO_MATCH}' if claims.mark(one) else ''}",
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
        return full_sentence(one.claim).rstrip(".")
    return one.claim.name.replace("-", " ")


def _weakest(one: JudgedClaim) -> str:
    """The part that contradicts a claim, or is the least certain to support it, and how many others there are."""
    run = [part for part in one.deciding if part.n]
    against = [part for part in run if part.verdict is one.verdict is ClaimVerdict.CONTRADICTED] or run
    part = max(against, key=lambda part: -1.0 if part.p_value is None else part.p_value)
    missing = [part.name for part in one.deciding if not part.n]
    notes = [
        f"of {len(run)}, the furthest from support" if len(run) > 1 else "",
        f"not run: {', '.join(missing)}" if missing else "",
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
    notes += [f"\n{CHOSE_NOTE} {SAME_SETTINGS}" if any(claims.mark(one) for one in tested) else ""]
    return "\n".join([rows.to_markdown(index=False, disable_numparse=True), *filter(None, notes)])
