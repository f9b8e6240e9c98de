"""How verdicts of registered claims are put into words: in tables, on pages, in the README and in the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part
from slotpipeline.analysis.text import number
from slotpipeline.results.claims import Claim, Statistic

Mark = Callable[[JudgedClaim], str]
"""The dagger of a claim about a number that chose the recipe, or "" (`JudgedClaims.mark`)."""
CHOSEN_TO_MATCH = "chosen to match"
"""What a number is called that chose the recipe: its verdict is no evidence."""
ORDER = (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED, ClaimVerdict.UNDECIDED, ClaimVerdict.NOT_RUN)
_ANSWERS = {
    ClaimVerdict.SUPPORTED: "Holds",
    ClaimVerdict.CONTRADICTED: "Does not hold",
    ClaimVerdict.UNDECIDED: "Undecided",
}
_UNITS = {
    Statistic.LOG_CHURN: "log ratio",
    Statistic.SLOPE: "points per 100 epochs",
    Statistic.SHARE_CHANGED: "% of connections",
}
"""What the mean of a claim's statistic is counted in, where these are not points of accuracy."""


_ALONE = {
    "few-options-match-tuned": "With eight or more options, selected random weights are as accurate as learned weights "
    "whose learning rate, weight decay and schedule were tuned."
}
"""Name of a claim whose registered sentence leans on the one before it -> the sentence that says the same alone."""


def full_sentence(claim: Claim) -> str:
    """A claim in a sentence that needs no other one."""
    return _ALONE.get(claim.name, claim.sentence)


def verdict_words(one: JudgedClaim) -> str:
    """The verdict, whether more runs can change it, and what it holds for or waits for."""
    detail = verdict_detail(one)
    word = f"{one.verdict}{so_far(one)}"
    return f"{word} ({detail})" if detail else word


def so_far(one: JudgedClaim) -> str:
    """Words behind a verdict that the registered runs that are not finished can still change."""
    return "" if one.is_final or one.verdict is ClaimVerdict.NOT_RUN else " so far"


def seeds_words(one: JudgedClaim) -> str:
    """How many of the registered seeds are finished, in the parts that were begun."""
    found = sorted({part.n for part in one.deciding if part.n})
    counted = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{counted} of {one.seeds}"


def needs_words(one: JudgedClaim) -> str:
    """Where the intervals have to lie for support; by part where these differ."""
    found = dict.fromkeys(part.needs for part in one.deciding)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{part.name}: {part.needs}" for part in one.deciding)


def contradicted_words(one: JudgedClaim) -> str:
    """Where an interval has to lie to contradict the claim; by part where these differ."""
    found = dict.fromkeys(part.refutes for part in one.deciding)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{part.name}: {part.refutes}" for part in one.deciding)


def verdict_detail(one: JudgedClaim) -> str:
    """Of a contradicted claim, the cells and settings under which it is; of another, what it lacks, if anything."""
    if one.verdict is not ClaimVerdict.CONTRADICTED:
        return one.detail
    against = [part for part in one.deciding if part.verdict is ClaimVerdict.CONTRADICTED]
    cells = ", ".join(part.name for part in against if part.name)
    seeds = sorted({seed for part in against for seed in part.seeds})
    words = f"recipe {one.recipe}, seeds {seeds[0]} to {seeds[-1]}"
    return f"{cells}; {words}" if cells else words


def part_words(one: JudgedClaim, part: Part) -> str:
    """Result and 90% interval of one part, in words."""
    if not part.n:
        return f"{part.name}: not run" if part.name else "not run"
    words = [f"{part.name}:" if part.name else "", number(part.mean, "+.2f")]
    unit = _UNITS.get(one.claim.kind, "")
    words += [unit] if unit else []
    if part.low is not None and part.high is not None:
        words.append(f"({number(part.low, '+.2f')} to {number(part.high, '+.2f')})")
    text = " ".join(filter(None, words))
    return f"{text}, {part.detail}" if part.detail else text


def counts(judged: Iterable[JudgedClaim], mark: Mark) -> dict[str, int]:
    """Verdict -> how many claims have it; apart, how many are no evidence, whatever their verdict."""
    judged = list(judged)
    found = Counter(one.verdict for one in judged if not _is_no_evidence(one, mark))
    apart = sum(_is_no_evidence(one, mark) for one in judged)
    return {str(verdict): found[verdict] for verdict in ORDER} | ({CHOSEN_TO_MATCH: apart} if apart else {})


def counted(judged: Sequence[JudgedClaim], mark: Mark) -> str:
    """How many claims have which verdict, apart where more runs can change it and where it is no evidence."""
    said = Counter(
        f"{verdict}{so_far(one)}{mark(one) if _is_no_evidence(one, mark) else ''}"
        for verdict in ORDER
        for one in judged
        if one.verdict is verdict
    )
    return f"Of {len(judged)} registered claims: {', '.join(f'{count} {words}' for words, count in said.items())}."


def by_answer(judged: Sequence[JudgedClaim], mark: Mark) -> dict[str, list[JudgedClaim]]:
    """The answer in words -> the tested claims that have it: what holds first, what more runs can change after it.

    Claims that are no evidence come last, under an answer of their own.
    """
    found: dict[str, list[JudgedClaim]] = {}
    for verdict, words in _ANSWERS.items():
        for one in sorted(judged, key=lambda one: not one.is_final):
            if one.verdict is verdict and not _is_no_evidence(one, mark):
                found.setdefault(f"{words}{so_far(one)}", []).append(one)
    apart = [one for one in judged if _is_no_evidence(one, mark)]
    return found | ({f"No evidence{mark(apart[0])}, as these numbers chose our settings": apart} if apart else {})


def _is_no_evidence(one: JudgedClaim, mark: Mark) -> bool:
    return bool(mark(one)) and one.verdict is not ClaimVerdict.NOT_RUN


def claim_sentence(one: JudgedClaim, mark: Mark) -> str:
    """A claim as it stands under its answer: in quotes where nothing is decided, with what a verdict rests on."""
    if _is_no_evidence(one, mark):
        return f"{full_sentence(one.claim).rstrip('.')}: {one.verdict}{so_far(one)}."
    if one.verdict is ClaimVerdict.UNDECIDED:
        return f"\N{LEFT DOUBLE QUOTATION MARK}{full_sentence(one.claim)}\N{RIGHT DOUBLE QUOTATION MARK}"
    rests = [verdict_detail(one), "" if one.is_final else f"{seeds_words(one)} seeds"]
    said = ", ".join(filter(None, rests))
    return f"{full_sentence(one.claim).rstrip('.')} ({said})." if said else full_sentence(one.claim)
