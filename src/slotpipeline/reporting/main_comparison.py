"""Are selected weights as good as learned ones? The claims that answer it, in words, for README and paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import number
from slotpipeline.reporting.claim_words import so_far
from slotpipeline.results.read import Results

MAIN_CLAIM = "few-options-match-learned"
"""The claim that answers the question."""
TUNED_CLAIM = "few-options-match-tuned"
"""The same claim against learned weights with better settings than the paper's."""
_ANSWERS = {
    ClaimVerdict.SUPPORTED: "yes",
    ClaimVerdict.CONTRADICTED: "no",
    ClaimVerdict.UNDECIDED: "too early to say",
    ClaimVerdict.NOT_RUN: "not tested yet",
}


def of_claim(judged: Sequence[JudgedClaim], name: str) -> list[JudgedClaim]:
    """A claim in the scopes in which it was tested."""
    return [one for one in judged if one.claim.name == name and one.verdict is not ClaimVerdict.NOT_RUN]


def main_answer(judged: Sequence[JudgedClaim]) -> str:
    """The answer on one dataset in a few words, against the paper's learned weights and, once tested, tuned ones."""
    main = [one for one in judged if one.claim.name == MAIN_CLAIM]
    tuned = of_claim(judged, TUNED_CLAIM)
    beside = f"; against tuned learned weights: {_answers(tuned)}" if tuned else ""
    return f"{_answers(main)}{beside}"


def _answers(judged: Sequence[JudgedClaim]) -> str:
    return ", ".join(dict.fromkeys(_answer(one) for one in judged))


def _answer(one: JudgedClaim) -> str:
    if one.verdict is ClaimVerdict.UNDECIDED and one.is_final:
        return "undecided"
    is_open = one.verdict in (ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
    return f"{_ANSWERS[one.verdict]}{'' if is_open else so_far(one)}"


def main_numbers(judged: Sequence[JudgedClaim], grids: Sequence[Results]) -> list[tuple[str, str]]:
    """What selected weights are compared with on one dataset, and what was found: nothing before the first run.

    Args:
        grids: with the runs behind the claims; without them, only differences are given.
    """
    main, tuned = (of_claim(judged, name) for name in (MAIN_CLAIM, TUNED_CLAIM))
    names_network = len({one.scope.network for one in [*main, *tuned]}) > 1
    lines = [
        ("Against learned weights with the settings of the released code", _numbers(one, names_network, grids))
        for one in main
    ]
    lines += [("Against tuned learned weights", _tuned_numbers(one, names_network, grids)) for one in tuned]
    if main and not tuned and any(one.claim.name == TUNED_CLAIM for one in judged):
        lines.append(("Against tuned learned weights", "not tested yet."))
    return lines


def _numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """What selected and learned weights reach, and how far apart they are."""
    selected, learned = _reached(one, grids)
    reached = (
        f"selected weights{_of(one, names_network)} reach {selected} on the test images, learned weights {learned}. "
    )
    return f"{reached if selected else ''}{_apart(one)}"


def _tuned_numbers(one: JudgedClaim, names_network: bool, grids: Sequence[Results]) -> str:
    """The same against learned weights with tuned settings."""
    learned = _reached(one, grids)[1]
    reached = f"these{_of(one, names_network)} reach {learned}. " if learned else ""
    return f"{reached}{_apart(one)} Slot machines were not tuned for accuracy."


def _of(one: JudgedClaim, names_network: bool) -> str:
    return f" of {network_label(one.scope.network)}" if names_network else ""


def _apart(one: JudgedClaim) -> str:
    """How far selected weights are above learned ones, over all K that were run: one range, as the table has each."""
    run, missing = ([part for part in one.deciding if bool(part.n) is has] for has in (True, False))
    means = [part.mean for part in run if part.mean is not None]
    ends = [end for part in run for end in (part.low, part.high) if end is not None]
    counts = sorted({part.n for part in run})
    seeds = f"{'' if len(counts) == 1 else f'{counts[0]} to '}{counts[-1]} of {one.seeds} seeds"
    interval = f"90% intervals between {number(min(ends), '+.2f')} and {number(max(ends), '+.2f')}, " if ends else ""
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
