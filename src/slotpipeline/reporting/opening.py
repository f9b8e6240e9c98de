"""What opens the README: whether the paper holds, in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.evidence import compared
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
    contradicted_words,
    counted,
    full_sentence,
    part_words,
    seeds_words,
)
from slotpipeline.reporting.exploratory import first_runs, recipe_findings
from slotpipeline.reporting.main_comparison import MAIN_CLAIM, TUNED_CLAIM, main_answer, main_numbers
from slotpipeline.results.claims import Statistic
from slotpipeline.results.read import Results

LISTED = 4
"""Claims of one answer that are named before the table; those that do not hold all are."""
SLOT_MACHINE = "the slot machine itself"
FINETUNING_CLAIM = "finetuning-beats-scratch"
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
    tested = [one for one in claims.judged if one.verdict is not ClaimVerdict.NOT_RUN]
    complete = "All runs behind these verdicts are finished. " if tested and all(one.is_final for one in tested) else ""
    end = f"{complete}{_progress(claims, grids)} {claims.registration.history}"
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
    registered = _registered_grids(claims)
    findings = [
        finding
        for results in grids
        if results.config["grid"] not in registered
        for finding in recipe_findings(results, dataset, claims)
    ]
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
        is_frozen = any(one.scope.is_frozen for one in here)
        why = "not tested yet" if is_frozen else "not tested, as its settings are not chosen"
        seen = [f"* *Exploratory:* {said}" for results in grids for said in first_runs(results, dataset)]
        seen += [f"* {finding.text}" for finding in findings]
        return [f"**{label}: {why}** ({len(here)} claims).", *([""] if seen else []), *seen]
    lines = [f"**{label}: {main_answer(here)}.**", ""]
    lines += [f"* *{against}:* {found}" for against, found in main_numbers(here, grids, claims.mark)]
    lines += [f"* {finding.text}" for finding in findings]
    told = [*(one for finding in findings for one in finding.told), *_of_main_claims(here)]
    others = [one for one in here if one not in told]
    verdicts = {one.verdict for one in told}
    for words, found in by_answer(others, claims.mark).items():
        listed = found if found[0].verdict is ClaimVerdict.CONTRADICTED else found[:LISTED]
        more = f" And {len(found) - len(listed)} more." if len(found) > len(listed) else ""
        said = " ".join(f"{_said(one, claims)}{_beside(one, grids)}" for one in listed)
        is_also = found[0].verdict in verdicts and not claims.mark(found[0])
        heading = f"Also {words[0].lower()}{words[1:]}" if is_also else words
        lines.append(f"* *{heading}:* {said}{more}")
    if not any(one.verdict is ClaimVerdict.CONTRADICTED for one in here):
        lines.append("* *Does not hold so far:* none.")
    return [*lines, f"* {counted(here, claims.mark)}"]


def _of_main_claims(here: Sequence[JudgedClaim]) -> list[JudgedClaim]:
    return [one for one in here if one.claim.name in (MAIN_CLAIM, TUNED_CLAIM)]


def _said(one: JudgedClaim, claims: JudgedClaims) -> str:
    """A claim in a sentence; of one that does not hold, under which settings and by how much."""
    if one.verdict is not ClaimVerdict.CONTRADICTED or claims.mark(one):
        said = claim_sentence(one, claims.mark)
        return f"{said} (The paper claims it for other networks.)" if one.is_extension else said
    against = [part for part in one.deciding if part.verdict is ClaimVerdict.CONTRADICTED]
    numbers = "; ".join(part_words(one, part) for part in against)
    return (
        f"{full_sentence(one.claim).rstrip('.')} (recipe {one.recipe}, {seeds_words(one)} seeds: {numbers}; "
        f"contradicted if {contradicted_words(one)})."
    )


def _beside(one: JudgedClaim, grids: Sequence[Results]) -> str:
    """What explains a claim: what finetuning adds to the slot machine, or how much drawing alone changes."""
    if one.claim.kind is Statistic.LOG_CHURN:
        return "".join(f" {part.name}: {part.detail}." for part in one.deciding if part.detail)
    if one.claim.name != FINETUNING_CLAIM:
        return ""
    for results in grids:
        if results.config["grid"] == one.scope.grid:
            found = [cell for cell in experiment_results(results, FINETUNE.name) if cell.network == one.scope.network]
            for pair in comparisons(FINETUNE.name, found):
                if pair.first.cell.start_epoch and pair.second.method == "greedy":
                    first, second = pair.first.by_seed, pair.second.by_seed
                    gains = [round(first[seed] - second[seed], 9) for seed in first if seed in second]
                    is_paired = gains and not (pair.first.collapsed or pair.second.collapsed)
                    return f" {_gain(gains) if is_paired else f'Finetuning: {compared(pair, SLOT_MACHINE)}.'}"
    return ""


def _gain(gains: Sequence[float]) -> str:
    """What finetuning adds, seed by seed, with the interval of the claims."""
    interval = t_interval(gains, 0.90)
    ends = f", 90% interval {number(interval[0], '+.2f')} to {number(interval[1], '+.2f')}" if interval else ""
    seeds = f"{len(gains)} seed{'s' if len(gains) > 1 else ''}"
    return f"Finetuned minus {SLOT_MACHINE}: {number(fmean(gains), '+.2f')} points ({seeds}{ends})."
