"""The table of the tested claims in the README: one line each."""

from __future__ import annotations

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import p_text
from slotpipeline.reporting.claim_table import JudgedClaims
from slotpipeline.reporting.claim_words import (
    ORDER,
    contradicted_words,
    full_sentence,
    needs_words,
    part_words,
    seeds_words,
    so_far,
)
from slotpipeline.reporting.tables import CHOSE_NOTE
from slotpipeline.results.claims import Statistic

SO_FAR_NOTE = "*So far*: some registered seeds are still to be trained. All of them will be."
SAME_SETTINGS = "The other claims use the same settings, unless they name settings of their own."


def claim_rows(claims: JudgedClaims) -> pd.DataFrame:
    """One row per claim that was tested, short enough for the README: of its parts the one that it hangs on."""
    rows = pd.DataFrame(
        {
            "claim": f"{_short_name(one)}{claims.mark(one)}",
            "network": network_label(one.scope.network),
            "verdict": f"{one.verdict}{so_far(one)}{', but no evidence' if claims.mark(one) else ''}",
            "difference (90% interval)": _weakest(one),
            "supported if (contradicted if)": f"{needs_words(one)} ({contradicted_words(one)})",
            "seeds": seeds_words(one),
            "p (Holm)": p_text(None if one.verdict is ClaimVerdict.CONTRADICTED else one.corrected),
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
    ours, theirs = one.claim.cells, one.claim.counterpart
    is_between_two = theirs is not None and len(ours.options) == len(theirs.options) == 1
    cells = f" (K = {ours.options[0]} minus K = {theirs.options[0]})" if theirs is not None and is_between_two else ""
    return f"{one.claim.name.replace('-', ' ')}{cells}"


def _weakest(one: JudgedClaim) -> str:
    """The part that contradicts a claim, or is the least certain to support it, and how many others there are."""
    run = [part for part in one.deciding if part.n]
    against = [part for part in run if part.verdict is one.verdict is ClaimVerdict.CONTRADICTED] or run
    part = max(against, key=lambda part: 2.0 if part.p_value is None else part.p_value)
    missing = [part.name for part in one.deciding if not part.n]
    notes = [
        f"weakest of {len(run)}" if len(run) > 1 else "",
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
    corrected = sum(one.p_value is not None for one in tested)
    notes = [
        f"\nThe whole interval decides; each claim is tested by itself, at 5%. *p (Holm)* decides nothing: one-sided, "
        f"against the bound for support, corrected for the {corrected} tested claims."
    ]
    notes += [f"\n{SO_FAR_NOTE}" if any(so_far(one) for one in tested) else ""]
    notes += [f"\n{CHOSE_NOTE} {SAME_SETTINGS}" if any(claims.mark(one) for one in tested) else ""]
    return "\n".join([rows.to_markdown(index=False, disable_numparse=True), *filter(None, notes)])
