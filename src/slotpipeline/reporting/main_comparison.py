"""Are selected weights as good as learned ones? The claims that answer it, in words, for README and paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part
from slotpipeline.analysis.text import number
from slotpipeline.reporting.claim_words import Mark, needs_words, so_far
from slotpipeline.results.read import Results

MAIN_CLAIM = "few-options-match-learned"
"""The claim that answers the question."""
TUNED_CLAIM = "few-options-match-tuned"
"""The same claim against learned weights with tuned settings."""
_ANSWERS = {
    ClaimVerdict.SUPPORTED: "yes",
    ClaimVerdict.CONTRADICTED: "no",
    ClaimVerdict.UNDECIDED: "too early to say",
    ClaimVerdict.NOT_RUN: "not tested yet",
}


def main_answer(judged: Sequence[JudgedClaim]) -> str:
    """The answer on one dataset in a few words, against the recipe's learned weights and, once tested, tuned ones."""
    answers = _answers(judged, MAIN_CLAIM)
    is_tested = any(one.verdict is not ClaimVerdict.NOT_RUN for one in judged if one.claim.name == TUNED_CLAIM)
    beside = f"; against tuned learned weights: {_answers(judged, TUNED_CLAIM)}" if is_tested else ""
    return f"{answers or 'not asked'}{beside}"


def _answers(judged: Sequence[JudgedClaim], claim: str) -> str:
    """The answer of each network; by name where there are several."""
    here = [one for one in judged if one.claim.name == claim]
    return ", ".join(
        f"{network_label(one.scope.network)} {_answer(one)}" if len(here) > 1 else _answer(one) for one in here
    )


def _answer(one: JudgedClaim) -> str:
    if one.verdict is ClaimVerdict.UNDECIDED and one.is_final:
        return "undecided"
    is_open = one.verdict in (ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
    return f"{_ANSWERS[one.verdict]}{'' if is_open else so_far(one)}"


def main_numbers(judged: Sequence[JudgedClaim], grids: Sequence[Results], mark: Mark) -> list[tuple[str, str]]:
    """What selected weights are compared with on one dataset, and what was found: nothing before the first run.

    Args:
        grids: with the runs behind the claims; without them, only differences are given.
        mark: the dagger of claims about numbers that chose the recipe.
    """
    main, tuned = ([one for one in judged if one.claim.name == name] for name in (MAIN_CLAIM, TUNED_CLAIM))
    if all(one.verdict is ClaimVerdict.NOT_RUN for one in [*main, *tuned]):
        return []
    chosen = {one.recipe: mark(one).strip() for one in judged if mark(one)}
    lines = [(f"Against untuned learned weights{_of(one, main)}", _numbers(one, grids, chosen)) for one in main]
    return lines + [(f"Against tuned learned weights{_of(one, tuned)}", _tuned_numbers(one, grids)) for one in tuned]


def _of(one: JudgedClaim, here: Sequence[JudgedClaim]) -> str:
    return f" of {network_label(one.scope.network)}" if len(here) > 1 else ""


def _numbers(one: JudgedClaim, grids: Sequence[Results], chosen: Mapping[str, str]) -> str:
    """What selected and learned weights reach, and how far apart they are."""
    if one.verdict is ClaimVerdict.NOT_RUN:
        return "Not tested yet."
    selected, learned = _reached(one, grids)
    why = f", which we chose to match the paper ({chosen[one.recipe]})" if one.recipe in chosen else ""
    reached = f"selected weights reach {selected} on the test images, learned weights {learned}. "
    return f"With the recipe {one.recipe}{why}: {reached if selected else ''}{_apart(one)}"


def _tuned_numbers(one: JudgedClaim, grids: Sequence[Results]) -> str:
    """The same against learned weights with tuned settings."""
    if one.verdict is ClaimVerdict.NOT_RUN:
        return "Not tested yet."
    learned = _reached(one, grids)[1]
    reached = f"These reach {learned}. " if learned else ""
    tuning = one.claim.tuning
    tried = f" ({len(tuning.learning_rate) * len(tuning.weight_decay) * len(tuning.schedule)} tried)" if tuning else ""
    return (
        f"{reached}{_apart(one)} Their settings have the best validation accuracy{tried}; those of the slot machines "
        "were not tuned for accuracy."
    )


def _apart(one: JudgedClaim) -> str:
    """How far selected weights are above learned ones: over all K that were run a range, as the table has each."""
    run, missing = ([part for part in one.deciding if bool(part.n) is has] for has in (True, False))
    means = [part.mean for part in run if part.mean is not None]
    ends = [end for part in run for end in (part.low, part.high) if end is not None]
    counts = sorted({part.n for part in run})
    seeds = f"{counts[0]} to {counts[-1]} of {one.seeds}" if len(counts) > 1 else f"{counts[0]} of {one.seeds}"
    seeds = str(one.seeds) if counts == [one.seeds] else seeds
    interval = f"90% intervals between {number(min(ends), '+.2f')} and {number(max(ends), '+.2f')}" if ends else ""
    details = [interval, f"{seeds} seeds", f"supported if {needs_words(one)}"]
    sentences = [
        f"Selected minus learned: {_range([number(min(means), '+.2f'), number(max(means), '+.2f')])} points for K = "
        f"{_values(run)} ({'; '.join(filter(None, details))})."
    ]
    against = [part for part in run if part.verdict is ClaimVerdict.CONTRADICTED]
    without = [part for part in run if part.low is None]
    if len(against) < len(run):
        sentences += [f"Contradicted at K = {_values(against)}."] if against else []
    sentences += [f"No interval: K = {_values(without)}."] if without else []
    sentences += [f"Not run: K = {_values(missing)}."] if missing else []
    return " ".join(sentences)


def _values(parts: Sequence[Part]) -> str:
    return ", ".join(part.name.removeprefix("K = ") for part in parts)


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
                if row["seed"] not in part.seeds:  # such as seeds without a partner
                    continue
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
