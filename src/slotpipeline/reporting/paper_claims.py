"""The verdicts of the registered claims as LaTeX, for the replication paper."""

from __future__ import annotations

from collections.abc import Sequence

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import network_title, number
from slotpipeline.reporting.claim_table import JudgedClaims, not_run
from slotpipeline.reporting.claim_words import Mark, counted, full_sentence, part_words, seeds_words, verdict_words
from slotpipeline.reporting.main_comparison import main_answer, main_numbers
from slotpipeline.reporting.tables import latex_text
from slotpipeline.results.read import Results

_LISTS = {
    ClaimVerdict.SUPPORTED: "ClaimsThatHold",
    ClaimVerdict.CONTRADICTED: "ClaimsThatDoNot",
    ClaimVerdict.UNDECIDED: "ClaimsThatAreOpen",
}


def claim_macros(claims: JudgedClaims | None, grids: Sequence[Results] = ()) -> dict[str, str]:
    """Name of a macro -> its text: the answer, how many claims have which verdict, and a list of those with each.

    Args:
        grids: with the runs behind the claims.
    """
    judged = claims.judged if claims else []
    macros = {
        "ClaimsRegistered": str(len(judged)),
        "ClaimsHistory": latex_text(claims.registration.history) if claims else "No claims are registered.",
        "ClaimsNotRun": str(sum(one.verdict is ClaimVerdict.NOT_RUN for one in judged)),
        "ClaimsCounted": latex_text(counted(judged, claims.mark)) if claims and judged else "",
    }
    macros["MainAnswer"] = latex_text(_main(judged, "mnist", grids, claims.mark)) if claims else ""
    tolerance = claims.registration.tolerance if claims else {}
    macros["MnistTolerance"] = number(tolerance.get("mnist"))
    macros["CifarTolerance"] = number(tolerance.get("cifar10"))
    macros["CifarStatus"] = _status(claims, "cifar10") if claims else ""
    for verdict, name in _LISTS.items():
        here = [one for one in judged if one.verdict is verdict]
        items = [latex_text(_claim(one) + (claims.mark(one) if claims else "")) for one in here]
        macros[name] = _listed(items) if items else "None of the tested claims so far."
    waiting = [latex_text(sentence) for sentence in not_run(claims)] if claims else []
    macros["ClaimsWaiting"] = _listed(waiting) if waiting else "All registered claims have been tested."
    return macros


def _main(judged: Sequence[JudgedClaim], dataset: str, grids: Sequence[Results], mark: Mark) -> str:
    """Whether selected weights are as good as learned ones on a dataset."""
    here = [one for one in judged if one.scope.dataset == dataset]
    numbers = " ".join(f"{against}: {found}" for against, found in main_numbers(here, grids, mark))
    return f"Are selected weights as good as learned ones? {main_answer(here).capitalize()}. {numbers}" if here else ""


def _status(claims: JudgedClaims, dataset: str) -> str:
    """For which networks of a dataset the recipe is fixed, so that their numbers get verdicts."""
    scopes = [scope for scope in claims.registration.scopes if scope.dataset == dataset]
    fixed = [network_label(scope.network) for scope in scopes if scope.is_frozen]
    open_ones = [network_label(scope.network) for scope in scopes if not scope.is_frozen]
    sentences = []
    if fixed:
        sentences.append(f"The recipe is registered for {', '.join(fixed)}.")
    if open_ones:
        sentences.append(f"The recipe is not settled for {', '.join(open_ones)}, so their numbers get no verdict yet.")
    return latex_text(" ".join(sentences))


def _listed(items: Sequence[str]) -> str:
    lines = [f"\\item {item.replace(' = ', '~=~')}" for item in items]
    return "\n".join(["\\begin{itemize}", *lines, "\\end{itemize}"])


def _claim(one: JudgedClaim) -> str:
    where = network_title(one.scope.dataset, one.scope.network)
    extension = ", our extension" if one.is_extension else ""
    means = "; ".join(part_words(one, part) for part in one.deciding) + f"; {seeds_words(one)} seeds"
    text = f"{full_sentence(one.claim).rstrip('.')} ({where}{extension}). {means}"
    is_plain = one.verdict is ClaimVerdict.SUPPORTED and one.is_final
    return f"{text}." if is_plain else f"{text}. Verdict: {verdict_words(one)}."
