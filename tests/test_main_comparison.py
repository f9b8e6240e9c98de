"""The answer to the main question, in words: it says no more, and no less, than the verdicts behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part
from slotpipeline.reporting.claim_table import JudgedClaims, claims_so_far
from slotpipeline.reporting.exploratory import recipe_findings
from slotpipeline.reporting.main_comparison import MAIN_CLAIM, main_answer, main_numbers
from slotpipeline.reporting.opening import opening
from slotpipeline.reporting.tested_claims import claim_rows
from slotpipeline.results.read import read_results
from synthetic import REFERENCE

RESULTS = REFERENCE.parents[1] / "results"


@pytest.fixture(scope="module")
def claims() -> JudgedClaims:
    """The claims as the committed results judge them."""
    found = claims_so_far(RESULTS, REFERENCE)
    assert found is not None
    return found


def main_claim(claims: JudgedClaims, scope: str = "lenet") -> JudgedClaim:
    return next(one for one in claims.judged if (one.claim.name, one.scope.name) == (MAIN_CLAIM, scope))


def with_part(one: JudgedClaim, name: str, **changes: object) -> JudgedClaim:
    parts = [replace(part, **changes) if part.name == name else part for part in one.parts]  # type: ignore[arg-type]
    return replace(one, parts=parts)


def without_mark(_: JudgedClaim) -> str:
    return ""


def test_a_no_says_at_which_k(claims: JudgedClaims) -> None:
    low = {"mean": -0.41, "low": -0.48, "high": -0.34, "verdict": ClaimVerdict.CONTRADICTED}
    one = replace(with_part(main_claim(claims), "K = 64", **low), verdict=ClaimVerdict.CONTRADICTED)
    ((_, said), *_) = main_numbers([one], [], without_mark)
    assert "Contradicted at K = 64." in said and "supported if above" in said


def test_a_k_without_an_interval_is_named(claims: JudgedClaims) -> None:
    one_seed = {"mean": -3.0, "low": None, "high": None, "p_value": None, "seeds": (5,)}
    one = replace(with_part(main_claim(claims), "K = 64", **one_seed), verdict=ClaimVerdict.UNDECIDED)
    ((_, said), *_) = main_numbers([one], [], without_mark)
    assert "No interval: K = 64." in said and "1 to 10 of 10 seeds" in said
    shown = claim_rows(replace(claims, judged=[one])).iloc[0]
    assert "K = 64" in shown["difference (90% interval)"]  # what is least known is the weakest


def test_each_of_several_networks_has_its_own_answer(claims: JudgedClaims) -> None:
    conv2, conv4 = (main_claim(claims, scope) for scope in ("conv2", "conv4"))
    ours = replace(main_claim(claims), scope=conv2.scope, verdict=ClaimVerdict.SUPPORTED)
    assert main_answer([ours, conv4]) == "Conv-2 yes, Conv-4 not tested yet"
    said = dict(main_numbers([ours, conv4], [], without_mark))
    assert [network for name in said for network in ("Conv-2", "Conv-4") if network in name] == ["Conv-2", "Conv-4"]
    assert said["Against untuned learned weights of Conv-4"] == "Not tested yet."


def test_only_seeds_that_are_compared_make_the_accuracies(claims: JudgedClaims) -> None:
    confirmed = read_results(RESULTS / "confirmation", REFERENCE)
    one = main_claim(claims)
    fewer = replace(one, parts=[replace(part, seeds=(5, 6)) for part in one.parts])
    ((_, said), *_) = main_numbers([fewer], [confirmed], without_mark)
    runs = confirmed.runs[
        confirmed.runs["identity"].isin(one.parts[0].identities) & confirmed.runs["seed"].isin([5, 6])
    ]
    assert f"learned weights {runs[runs['method'] == 'learned']['test_accuracy'].mean():.2f}%" in said


def test_a_claim_that_does_not_hold_names_only_what_contradicts_it(claims: JudgedClaims) -> None:
    one = next(one for one in claims.judged if (one.claim.name, one.scope.name) == ("code-gives-the-numbers", "lenet"))
    fits = {"verdict": ClaimVerdict.SUPPORTED, "mean": 0.0}
    one = with_part(with_part(one, "K = 8", **fits), "K = 64", **fits)
    (line,) = (line for line in opening(replace(claims, judged=[one]), []).splitlines() if "oes not hold" in line)
    assert "K = 2" in line and "K = 8" not in line and "5 of 5 seeds" in line


def test_the_finding_on_settings_stands_before_any_claim_was_tested(claims: JudgedClaims) -> None:
    explored = read_results(RESULTS / "mnist", REFERENCE)
    nothing = [replace(one, verdict=ClaimVerdict.NOT_RUN, parts=[]) for one in claims.judged]
    untested = replace(claims, judged=nothing)
    (finding,) = recipe_findings(explored, "mnist", untested)
    assert finding.text in opening(untested, [explored])


def test_claims_that_the_finding_tells_are_told_once(claims: JudgedClaims) -> None:
    explored = read_results(RESULTS / "mnist", REFERENCE)
    (finding,) = recipe_findings(explored, "mnist", claims)
    opened = opening(claims, [explored])
    for one in finding.told:
        assert one.claim.sentence not in opened and one.verdict is ClaimVerdict.CONTRADICTED
    assert all(
        f"{part.mean:+.2f}".replace("-", "\N{MINUS SIGN}") in opened for one in finding.told for part in one.parts
    )


def test_a_part_says_where_it_would_contradict(claims: JudgedClaims) -> None:
    """Without its limit, an undecided interval beyond the limit for support looks like a contradiction."""
    parts: list[Part] = [part for one in claims.judged for part in one.deciding if part.n]
    assert parts and all(part.needs and part.refutes for part in parts)
    for part in parts:
        side, _, limit = part.refutes.partition(" ")
        value = float(limit.strip("±").replace("\N{MINUS SIGN}", "-"))
        assert part.low is not None and part.high is not None
        beyond = {"below": part.high < value, "above": part.low > value,
                  "outside": part.low > value or part.high < -value}[side]  # fmt: skip
        assert beyond == (part.verdict is ClaimVerdict.CONTRADICTED), part
