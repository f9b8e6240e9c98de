"""What opens the README: whether the paper holds, in a minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.statistics import t_interval
from slotpipeline.analysis.text import number
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.finetuning import FINETUNE
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import comparisons, experiment_results
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import (
    by_answer,
    claim_sentence,
    counted,
    full_sentence,
    part_words,
    so_far,
)
from slotpipeline.reporting.exploratory import first_runs, recipe_finding
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
QUESTION = (
    "The paper ([Aladago and Torresani, ICML 2021](https://arxiv.org/abs/2101.06475)) never trains a weight: each "
    "connection has K random values, and training selects one of them. Is that as good as training the weights?"
)


def opening(claims: JudgedClaims, grids: Sequence[Results]) -> str:
    """The first lines of the README, from the verdicts and the recorded runs alone.

    Args:
        grids: all that were recorded; of those with claims, it is said how many runs are finished.
    """
    datasets = dict.fromkeys(one.scope.dataset for one in claims.judged)
    answers = [
        _dataset(claims, [one for one in claims.judged if one.scope.dataset == here], grids) for here in datasets
    ]
    end = f"{_progress(claims, grids)} {claims.registration.history}"
    return "\n\n".join([QUESTION, *("\n".join(lines) for lines in answers), end])


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
    """The answer on one dataset, the numbers behind it, and the other claims that were tested."""
    names = ", ".join(dict.fromkeys(network_label(one.scope.network) for one in here))
    dataset = here[0].scope.dataset
    label = f"{dataset_label(dataset)} ({names})"
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
        why = "not tested yet" if any(one.scope.is_frozen for one in here) else "no verdict, as its settings are open"
        seen = [f"* *Exploratory:* {said}" for results in grids for said in first_runs(results, dataset)]
        return [f"**{label}: {why}** ({len(here)} claims).", *([""] if seen else []), *seen]
    main, tuned = (
        [one for one in here if one.claim.name == name and one.verdict is not ClaimVerdict.NOT_RUN]
        for name in (MAIN_CLAIM, TUNED_CLAIM)
    )
    answers = _answers([one for one in here if one.claim.name == MAIN_CLAIM])
    if tuned:
        answers += f"; against tuned learned weights: {_answers(tuned)}"
    names_network = len({one.scope.network for one in [*main, *tuned]}) > 1
    lines = [f"**{label}: {answers}.**", ""]
    lines += [f"* {_main_numbers(one, names_network, grids)}" for one in main]
    lines += [f"* {_tuned_numbers(one, names_network, grids)}" for one in tuned]
    if main and not tuned and any(one.claim.name == TUNED_CLAIM for one in here):
        lines.append("* *Against tuned learned weights:* not tested yet.")
    registered = _registered_grids(claims)
    for results in grids:
        if results.config["grid"] not in registered:
            lines += recipe_finding(results, dataset, claims)
    for words, found in by_answer([one for one in here if one not in [*main, *tuned]], claims.mark).items():
        listed = found if found[0].verdict is ClaimVerdict.CONTRADICTED else found[:LISTED]
        more = f" And {len(found) - len(listed)} more." if len(found) > len(listed) else ""
        said = " ".join(f"{_said(one, claims)}{_beside(one, grids)}" for one in listed)
        lines.append(f"* *{words}:* {said}{more}")
    if not any(one.verdict is ClaimVerdict.CONTRADICTED for one in here):
        lines.append("* *Does not hold so far:* none.")
    return [*lines, f"* {counted(here, claims.mark)}"]


def _said(one: JudgedClaim, claims: JudgedClaims) -> str:
    """A claim in a sentence; of one that does not hold, under which settings and by how much."""
    if one.verdict is not ClaimVerdict.CONTRADICTED or claims.mark(one):
        return claim_sentence(one, claims.mark)
    parts = "; ".join(part_words(one, replace(part, low=None, high=None, detail="")) for part in one.deciding)
    return f"{full_sentence(one.claim).rstrip('.')} (recipe {one.recipe}{so_far(one)}; {parts})."


def _answers(judged: Sequence[JudgedClaim]) -> str:
    return ", ".join(dict.fromkeys(_main_answer(one) for one in judged))


def _main_answer(one: JudgedClaim) -> str:
    if one.verdict is ClaimVerdict.UNDECIDED and one.is_final:
        return "undecided"
    is_open = one.verdict in (ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
    return f"{MAIN_ANSWERS[one.verdict]}{'' if is_open else so_far(one)}"


def _main_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """What selected and learned weights reach, and how far apart they are."""
    network = f" of {network_label(one.scope.network)}" if names_network else ""
    selected, learned = _reached(one, grids)
    reached = f"selected weights{network} reach {selected} on the test images, learned weights {learned}. "
    return f"*Against learned weights with the paper's settings:* {reached if selected else ''}{_apart(one)}"


def _tuned_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """The same against learned weights with tuned settings."""
    network = f" of {network_label(one.scope.network)}" if names_network else ""
    learned = _reached(one, grids)[1]
    reached = f"these{network} reach {learned}. " if learned else ""
    return f"*Against tuned learned weights:* {reached}{_apart(one)} Slot machines were not tuned for accuracy."


def _apart(one: JudgedClaim) -> str:
    """How far selected weights are above learned ones, by all K that were run: one range, as the table has each."""
    run, missing = ([part for part in one.deciding if bool(part.n) is has] for has in (True, False))
    means = [part.mean for part in run if part.mean is not None]
    lows, highs = [part.low for part in run if part.low is not None], [p.high for p in run if p.high is not None]
    counts = sorted({part.n for part in run})
    seeds = f"{'' if len(counts) == 1 else f'{counts[0]} to '}{counts[-1]} of {one.seeds} seeds"
    interval = f"90% intervals between {number(min(lows), '+.2f')} and {number(max(highs), '+.2f')}, " if lows else ""
    options = _range([part.name.removeprefix("K = ") for part in run])
    left = f" Not run: {', '.join(part.name for part in missing)}." if missing else ""
    difference = _range([number(min(means), "+.2f"), number(max(means), "+.2f")])
    return f"Selected less learned: {difference} points (K = {options}; {interval}{seeds}).{left}"


def _range(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"


def _reached(one: JudgedClaim, grids: Sequence[Results]) -> tuple[str, str]:
    """The mean test accuracies of selected and of learned weights behind comparisons; blank if any is missing."""
    parts = [part for part in one.deciding if part.n]
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
    return f"{_range([number(min(values)), number(max(values))])}%"


def _beside(one: JudgedClaim, grids: Sequence[Results]) -> str:
    """Behind the claim on finetuning: what it adds to the slot machine that it starts from."""
    if one.claim.name != FINETUNING_CLAIM:
        return ""
    for results in grids:
        if results.config["grid"] == one.scope.grid:
            found = [cell for cell in experiment_results(results, FINETUNE.name) if cell.network == one.scope.network]
            for pair in comparisons(FINETUNE.name, found):
                if pair.first.cell.start_epoch and pair.second.method == "greedy":
                    first, second = pair.first.by_seed, pair.second.by_seed
                    return f" {_gain([first[seed] - second[seed] for seed in first if seed in second])}"
    return ""


def _gain(gains: Sequence[float]) -> str:
    """What finetuning adds, seed by seed, with the interval of the claims."""
    interval = t_interval(gains, 0.90)
    ends = f", 90% interval {number(interval[0], '+.2f')} to {number(interval[1], '+.2f')}" if interval else ""
    return f"Finetuned less the slot machine itself: {number(fmean(gains), '+.2f')} points ({len(gains)} seeds{ends})."
