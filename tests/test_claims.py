"""Registered claims: from made-up runs to verdicts, by the registered statistics and bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from slotpipeline.analysis.claim_runs import GridRuns, runs_of, samples, single_cells, tuning_changes
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, judge_claims
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.results.claims import CLAIMS_YAML, Cells, Claim, Statistic
from slotpipeline.results.claims_file import read_claims
from slotpipeline.results.reference import Published
from slotpipeline.runs.config import read_config
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_record import EARLY_COLUMNS

PROJECT = Path(__file__).parents[1]
REGISTRATION = read_claims(PROJECT / CLAIMS_YAML)
LENET = REGISTRATION.scope("lenet")
PLANNED = {run.identity for run in grid_runs(read_config(PROJECT / "config" / "confirmation.yaml"))}
Recorded = list[tuple[Run, float]]


def number(value: float, low: float | None = None, high: float | None = None, reading: float = 0.02) -> Published:
    return Published("k-sweep", "mnist", value, low, high, reading, "", "")


NUMBERS = {2: number(97.14, 97.08, 97.27), 8: number(98.21, 98.15, 98.31), 64: number(98.16, 98.06, 98.21),
           128: number(98.1, reading=0.05)}  # fmt: skip


def grids(
    pairs: Sequence[tuple[Run, float]], curves: pd.DataFrame | None = None, first_epoch: pd.DataFrame | None = None
) -> dict[str, GridRuns]:
    """The grid `confirmation` with these runs and their accuracies."""
    rows = [(run.identity, accuracy, accuracy - 0.1) for run, accuracy in pairs]
    runs = pd.DataFrame(rows, columns=["identity", "test_accuracy", "val_accuracy"])
    empty = pd.DataFrame(columns=["identity", "epoch", "changed_share", "val_accuracy", "altered_share"])
    early = pd.DataFrame(columns=list(EARLY_COLUMNS)) if first_epoch is None else first_epoch
    return {"confirmation": GridRuns(runs, empty if curves is None else curves, early)}


def judged(
    name: str,
    pairs: Sequence[tuple[Run, float]],
    curves: pd.DataFrame | None = None,
    first_epoch: pd.DataFrame | None = None,
) -> JudgedClaim:
    """The verdict of one claim on LeNet."""
    alone = replace(REGISTRATION, claims=[claim for claim in REGISTRATION.claims if claim.name == name])
    recorded = grids(pairs, curves, first_epoch)
    found = judge_claims(alone, recorded, lambda scope, method, options, place: NUMBERS.get(options))
    (one,) = (one for one in found if one.scope == LENET)
    return one


def cell(method: str, options: int | None = None, **others: object) -> Cells:
    return Cells(method, [] if options is None else [options], **others)


def runs(
    seeds: int,
    accuracy: Callable[[int], float],
    method: str,
    options: int | None = None,
    changes: Mapping[str, object] | None = None,
    **others: object,
) -> Recorded:
    """The first confirmation seeds of one cell of LeNet, with an accuracy that depends on the seed."""
    found = runs_of(LENET, cell(method, options, **others), LENET.seeds[:seeds], changes)
    return [(run, accuracy(run.seed)) for run in found]


def jitter(level: float) -> Callable[[int], float]:
    return lambda seed: level + 0.02 * (seed % 2)


@pytest.mark.parametrize(
    "claim", [claim for claim in REGISTRATION.claims if claim.tier in "ABCD"], ids=attrgetter("name")
)
def test_the_grid_plans_what_a_claim_needs(claim: Claim) -> None:
    if LENET.name not in claim.scopes:
        return
    if claim.kind is Statistic.NUMBERS:
        needed = [
            run for _, one in single_cells(claim.cells) for run in runs_of(LENET, one, REGISTRATION.seeds(claim, LENET))
        ]
    else:
        parts = samples(claim, LENET, REGISTRATION.seeds(claim, LENET), grids([])["confirmation"])
        needed = [run for part in parts for run in part.runs]
    if claim.tuning is not None:
        for changes in tuning_changes(claim):
            needed += runs_of(LENET, cell("learned"), claim.tuning.seeds, changes)
    assert needed and {run.identity for run in needed} <= PLANNED


def test_without_runs_nothing_has_a_verdict() -> None:
    found = judge_claims(REGISTRATION, {}, lambda *_: None)
    assert {one.verdict for one in found} == {ClaimVerdict.NOT_RUN}
    assert {one.claim.name for one in found} == {one.name for one in REGISTRATION.claims}


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.0, ClaimVerdict.SUPPORTED), (-0.4, ClaimVerdict.CONTRADICTED), (-0.15, ClaimVerdict.UNDECIDED)],
)
def test_selected_weights_against_learned_ones(gain: float, verdict: ClaimVerdict) -> None:
    pairs = runs(10, lambda seed: 98 + 0.01 * (seed % 3), "learned")
    for options in (8, 16, 32, 64):
        pairs += runs(10, jitter(98 + gain), "greedy", options)
    found = judged("few-options-match-learned", pairs)
    assert found.verdict == verdict
    assert [part.n for part in found.parts] == [10] * 4
    assert [part.name for part in found.parts] == ["K = 8", "K = 16", "K = 32", "K = 64"]
    ours, theirs = (
        np.array([level(seed) for seed in range(5, 15)]) for level in (jitter(98 + gain), lambda s: 98 + 0.01 * (s % 3))
    )
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.90)
    assert (found.parts[0].low, found.parts[0].high) == pytest.approx((expected.low, expected.high))
    p_value = stats.ttest_rel(ours, theirs - 0.15, alternative="greater").pvalue
    assert found.p_value == pytest.approx(p_value, rel=1e-6)


def test_one_contradicted_part_contradicts_the_claim() -> None:
    pairs = runs(10, lambda seed: 98 + 0.01 * (seed % 3), "learned")
    for options in (8, 16, 32, 64):
        pairs += runs(10, jitter(97 if options == 64 else 98), "greedy", options)
    assert judged("few-options-match-learned", pairs).verdict == ClaimVerdict.CONTRADICTED
    # Every cell needs five seeds, also where another cell contradicts already.
    few = [(run, accuracy) for run, accuracy in pairs if run.options != 16 or run.seed < 9]
    assert judged("few-options-match-learned", few).verdict == ClaimVerdict.UNDECIDED


def test_below_five_seeds_nothing_is_decided() -> None:
    def gain(seeds: int) -> JudgedClaim:
        pairs = runs(seeds, lambda seed: 97 + 0.01 * seed, "greedy", 2)
        return judged("two-options-beat-chance", pairs + runs(seeds, lambda seed: 10 + 0.1 * seed, "random"))

    assert [gain(seeds).verdict for seeds in (4, 5)] == [ClaimVerdict.UNDECIDED, ClaimVerdict.SUPPORTED]
    assert gain(5).is_extension


def test_a_bound_may_lie_on_the_limit_only_where_it_says_so() -> None:
    (claim,) = (one for one in REGISTRATION.claims if one.name == "two-options-beat-chance")
    assert claim.supported.hold(LENET, 80.0, 90.0) and not claim.contradicted.hold(LENET, 70.0, 80.0)
    (claim,) = (one for one in REGISTRATION.claims if one.name == "accuracy-is-flat-beyond-eight")
    assert claim.supported.hold(LENET, -1.0, 0.14) and not claim.supported.hold(LENET, -1.0, 0.15)


def test_other_seeds_and_settings_do_not_count() -> None:
    greedy = cell("greedy", 2)
    found = runs_of(LENET, greedy, range(5))  # the exploratory seeds
    found += runs_of(LENET, greedy, LENET.seeds, {"epochs": 110})
    assert judged("first-version-97.0", [(run, 97.1) for run in found]).verdict == ClaimVerdict.NOT_RUN


def test_a_number_is_a_claim() -> None:
    found = judged("first-version-98.1", runs(10, jitter(98.1), "greedy", 128))
    assert found.verdict == ClaimVerdict.SUPPORTED
    assert found.parts[0].mean == pytest.approx(0.01)
    assert judged("first-version-98.1", runs(10, jitter(97.0), "greedy", 128)).verdict == ClaimVerdict.CONTRADICTED
    assert judged("first-version-98.1", runs(4, jitter(97.0), "greedy", 128)).verdict == ClaimVerdict.UNDECIDED


def test_the_rules_of_selection_are_compared_by_their_means_over_k() -> None:
    pairs = []
    for options in (2, 4, 8, 16, 32, 64):
        pairs += runs(5, lambda seed, k=options: 98 + k / 100 + 0.01 * seed, "greedy", options)
        pairs += runs(5, jitter(97.9), "probabilistic", options)
    found = judged("greedy-beats-probabilistic", pairs)
    assert found.verdict == ClaimVerdict.SUPPORTED
    mean, *beside = found.parts
    assert (mean.decides, [part.decides for part in beside]) == (True, [False] * 6)
    assert mean.mean == pytest.approx(np.mean([part.mean for part in beside]))
    assert all(part.corrected >= part.p_value for part in beside) and found.p_value == mean.p_value
    # A seed that lacks one K does not count.
    assert judged("greedy-beats-probabilistic", pairs[1:]).verdict == ClaimVerdict.UNDECIDED


def test_finetuning_is_compared_with_as_many_epochs_of_training() -> None:
    learned = runs(5, lambda seed: 98 + 0.01 * seed, "learned", changes={"epochs": 200})
    tuned = runs(5, jitter(98.3), "greedy", 8, finetuned_from=100)
    assert judged("finetuning-beats-scratch", learned + tuned).verdict == ClaimVerdict.SUPPORTED
    other = runs(5, lambda seed: 98 + 0.01 * seed, "learned", changes={"epochs": 100})
    assert judged("finetuning-beats-scratch", other + tuned).verdict == ClaimVerdict.NOT_RUN


def test_a_later_hand_over() -> None:
    pairs = []
    for start in range(20, 200, 20):
        rises = lambda seed, t=start: 98 + 0.002 * t + 0.0001 * seed * t  # noqa: E731
        pairs += runs(5, rises, "greedy", 8, finetuned_from=start)
    found = judged("later-hand-over-is-better", pairs)
    assert found.verdict == ClaimVerdict.SUPPORTED and found.parts[0].mean == pytest.approx(0.2 + 0.01 * 7)
    missing = [pair for pair in pairs if pair[0].start_epoch != 180]
    assert judged("later-hand-over-is-better", missing).verdict == ClaimVerdict.NOT_RUN


def test_collapsed_runs_with_shared_values_are_failures() -> None:
    pairs = runs(10, lambda seed: 98 + 0.01 * (seed % 3), "greedy", 64)
    shared = runs(10, jitter(98), "greedy", 64, sharing="layer")
    assert judged("sharing-per-layer-works", pairs + shared).verdict == ClaimVerdict.SUPPORTED
    for failed, verdict in (((5,), ClaimVerdict.UNDECIDED), ((5, 6), ClaimVerdict.CONTRADICTED)):
        collapsed = [(run, 9.8 if run.seed in failed else accuracy) for run, accuracy in shared]
        found = judged("sharing-per-layer-works", pairs + collapsed)
        assert found.verdict == verdict and found.parts[0].detail.startswith(f"{len(failed)} of 10")


def test_the_tuned_baseline_is_the_best_on_validation() -> None:
    (tuned,) = (one for one in REGISTRATION.claims if one.name == "few-options-match-tuned")
    changes = tuning_changes(tuned)
    assert len(changes) == 12
    pairs: Recorded = []
    for rank, change in enumerate(changes):
        pairs += [(run, 90 + 0.1 * rank) for run in runs_of(LENET, cell("learned"), (0, 1, 2), change)]
    pairs += runs(10, lambda seed: 98 + 0.01 * (seed % 3), "learned", changes=changes[-1])
    pairs += runs(10, lambda seed: 50.0, "learned", changes=changes[0])
    for options in (8, 16, 32, 64):
        pairs += runs(10, lambda seed: 98.2, "greedy", options)
    assert judged("few-options-match-tuned", pairs).verdict == ClaimVerdict.SUPPORTED
    assert judged("few-options-match-tuned", pairs[1:]).verdict == ClaimVerdict.NOT_RUN


def test_late_churn() -> None:
    seeds, curves = LENET.seeds[:5], []
    for method, column, share in (("greedy", "changed_share", 0.01), ("probabilistic", "sampled_changed_share", 0.05)):
        for options in (2, 8, 64):
            for run in runs_of(LENET, cell(method, options), seeds):
                epochs = np.arange(1, run.settings.epochs + 1)
                late = share * (1 + 0.01 * run.seed) if method == "greedy" else share
                values = {column: np.where(epochs > 180, late, 0.9), "redrawn_share": 0.04}
                curves.append(pd.DataFrame({"identity": run.identity, "epoch": epochs, "val_accuracy": 98.0, **values}))
    found = judged("probabilistic-keeps-changing", [], pd.concat(curves, ignore_index=True))
    assert found.verdict == ClaimVerdict.SUPPORTED
    assert found.parts[0].mean == pytest.approx(np.mean([math.log(5 / (1 + 0.01 * seed)) for seed in seeds]))
    assert "4.00%" in found.parts[0].detail


def test_connections_changed_when_most_of_the_accuracy_is_reached() -> None:
    learned = runs(5, lambda seed: 98.0, "learned", recipe="ivan-florian")
    early, curves = [], []
    for method in ("free_pruning", "free_flipping", "min_pruning", "min_flipping"):
        for run in runs_of(LENET, cell(method, recipe="ivan-florian"), LENET.seeds[:5]):
            shares = [0.0, 0.02, 0.05 + 0.001 * run.seed]
            measured = {"step": [0, 20, 40], "val_accuracy": [10.0, 80.0, 92.0], "altered_share": shares}
            early.append(pd.DataFrame({"identity": run.identity, **measured}))
            epochs = {"epoch": [1, 2], "val_accuracy": [96.0, 97.0], "altered_share": [0.3, 0.4]}
            curves.append(pd.DataFrame({"identity": run.identity, **epochs}))
    after, within = pd.concat(curves, ignore_index=True), pd.concat(early, ignore_index=True)
    found = judged("few-connections-changed", learned, after, within)
    assert found.verdict == ClaimVerdict.SUPPORTED
    assert [part.mean for part in found.parts] == pytest.approx([5.7] * 4)
    # What was first measured beyond the goal says nothing about how few connections suffice.
    found = judged("few-connections-changed", learned, after)
    assert found.verdict == ClaimVerdict.NOT_RUN and "before their first measurement" in found.detail


def test_the_p_values_of_all_claims_are_corrected_together() -> None:
    pairs = runs(10, jitter(98.1), "greedy", 128) + runs(10, lambda seed: 97 + 0.01 * seed, "greedy", 2)
    found = judge_claims(REGISTRATION, grids(pairs), lambda scope, method, options, place: NUMBERS.get(options))
    tested = [one for one in found if one.p_value is not None]
    assert len(tested) > 1
    smallest = min(tested, key=lambda one: one.p_value)
    assert smallest.corrected == pytest.approx(min(1, len(tested) * smallest.p_value))
