"""The registered claims with their verdicts: judged, as data, and as a page for readers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_runs import GridRuns
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part, judge_claims
from slotpipeline.analysis.text import DASH, network_title, p_text
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.grid import planned
from slotpipeline.reporting.claim_words import (
    by_answer,
    claim_sentence,
    counted,
    full_sentence,
    needs_words,
    part_words,
    seeds_words,
    verdict_words,
)
from slotpipeline.reporting.tables import CHOSE_NOTE, CHOSEN
from slotpipeline.results.claims import Registration, Scope, Statistic
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, read_results
from slotpipeline.results.reference import PublishedNumber, published_at
from slotpipeline.runs.cell import Config


@dataclass(frozen=True)
class JudgedClaims:
    """The claims with their verdicts.

    Attributes:
        tables: name of a claim and of a scope -> the tables that hold its cells.
        chosen: of the same, those about published numbers by whose closeness the recipe was chosen.
    """

    registration: Registration
    judged: Sequence[JudgedClaim]
    tables: Mapping[tuple[str, str], Sequence[str]]
    chosen: Collection[tuple[str, str]]

    def tables_of(self, one: JudgedClaim) -> Sequence[str]:
        """The tables of a claim, relative to the folder of all results."""
        return self.tables.get(_key(one), ())

    def mark(self, one: JudgedClaim) -> str:
        """A dagger on a claim about a number by whose closeness the recipe was chosen."""
        return f" {CHOSEN}" if _key(one) in self.chosen else ""


def judged_claims(registration: Registration, grids: Sequence[Results]) -> JudgedClaims:
    """Judge every registered claim by the runs of some grids."""
    reference = grids[0].reference if grids else None

    def published(scope: Scope, method: str, options: int, place: str) -> PublishedNumber | None:
        if reference is None:
            return None
        return published_at(reference, scope.dataset, scope.network, method, options, place)

    recorded = {
        results.config["grid"]: GridRuns(results.runs, results.curves, results.first_epoch) for results in grids
    }
    judged = judge_claims(registration, recorded, published)
    tables: dict[tuple[str, str], Sequence[str]] = {}
    chosen: set[tuple[str, str]] = set()
    for results in grids:
        here = [one for one in judged if one.parts and one.scope.grid == results.config["grid"]]
        runs = planned(results.config) if here else {}
        experiments = {name: {run.identity for run in part} for name, part in runs.items()}
        tables |= {_key(one): _tables(one, experiments) for one in here}
        chosen |= {_key(one) for one in judged if _chose_the_recipe(one, results.config)}
    return JudgedClaims(registration, judged, tables, chosen)


def _key(one: JudgedClaim) -> tuple[str, str]:
    return one.claim.name, one.scope.name


def _chose_the_recipe(one: JudgedClaim, config: Config) -> bool:
    """Whether a claim is about the number of a cell by which the recipe was chosen."""
    if one.claim.kind is not Statistic.NUMBERS or one.recipe != config["recipe"]:
        return False
    return bool(set(one.claim.cells.options) & set(config.get("chosen_by", {}).get(one.scope.network, [])))


def claims_so_far(results: Path, reference_csv: Path, project: Path = Path()) -> JudgedClaims | None:
    """The claims of a project, by what its grids have recorded; None where it has registered none.

    Args:
        results: the folder of all results, with a folder per grid.
        project: the project's folder.

    Raises:
        UserError: a file is damaged.
    """
    registration = read_registration(project)
    if registration is None:
        return None
    names = dict.fromkeys(scope.grid for scope in registration.scopes if scope.is_frozen)
    folders = [results / name for name in names if (results / name / RUNS_CSV).is_file()]
    return judged_claims(registration, [read_results(folder, reference_csv, project) for folder in folders])


def claims_of_grid(results: Results) -> JudgedClaims | None:
    """The claims that are tested by the runs of one grid; None where there is none."""
    if results.registration is None:
        return None
    claims = judged_claims(results.registration, [results])
    here = [one for one in claims.judged if one.scope.grid == results.config["grid"]]
    return replace(claims, judged=here) if here else None


def _tables(one: JudgedClaim, experiments: Mapping[str, Collection[str]]) -> list[str]:
    """The fewest tables of a grid that hold all runs of a claim, those with most of them first."""
    left = {identity for part in one.parts for identity in part.identities}
    found = []
    while left:
        best = max(experiments, key=lambda name: len(left.intersection(experiments[name])))
        if not left.intersection(experiments[best]):
            break
        left.difference_update(experiments[best])
        found.append(f"{one.scope.grid}/tables/{best}.md")
    return found


def tidy(claims: JudgedClaims) -> pd.DataFrame:
    """One row per claim, scope and part, as data."""
    rows = []
    for one in claims.judged:
        tables = " ".join(claims.tables_of(one))
        nothing = Part("", (), None, None, None, None, one.verdict)
        for part in one.parts or [nothing]:
            rows.append({
                "claim": one.claim.name, "sentence": one.claim.sentence, "source": one.claim.source,
                "tier": one.claim.tier, "network": one.scope.network, "dataset": one.scope.dataset,
                "grid": one.scope.grid, "recipe": one.recipe, "extension": one.is_extension,
                "chose_the_recipe": _key(one) in claims.chosen,
                "verdict": str(one.verdict), "is_final": one.is_final, "registered_seeds": one.seeds,
                "p_value": one.p_value, "holm": one.corrected, "detail": one.detail, "part": part.name,
                "decides": part.decides, "needs": part.needs, "part_verdict": str(part.verdict), "n": part.n,
                "seeds": " ".join(map(str, part.seeds)), "mean": part.mean, "low": part.low, "high": part.high,
                "part_p_value": part.p_value, "part_holm": part.corrected, "part_detail": part.detail,
                "tables": tables, "identities": " ".join(part.identities),
            })  # fmt: skip
    return pd.DataFrame(rows)


def readable_claims(claims: JudgedClaims) -> pd.DataFrame:
    """One row of text per claim and scope that was run; tables as links relative to the folder of all results."""
    rows = []
    for one in claims.judged:
        if one.verdict is ClaimVerdict.NOT_RUN:
            continue
        tables = claims.tables_of(one)
        rows.append({
            "claim": full_sentence(one.claim), "tested on": _where(one),
            "verdict": verdict_words(one) + claims.mark(one),
            "result (90% interval)": "; ".join(part_words(one, part) for part in one.deciding),
            "supported if the interval is": needs_words(one), "seeds": seeds_words(one),
            "p": p_text(one.p_value), "p (Holm)": p_text(one.corrected),
            "table": ", ".join(f"[{Path(table).stem}]({table})" for table in tables) or DASH,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _where(one: JudgedClaim) -> str:
    extension = ", an extension: the paper claims it for other networks" if one.is_extension else ""
    return f"{network_title(one.scope.dataset, one.scope.network)}{extension}"


def answer(claims: JudgedClaims) -> str:
    """Whether the paper holds, in a few plain sentences, from the verdicts alone."""
    lines = []
    for dataset in dict.fromkeys(one.scope.dataset for one in claims.judged):
        here = [one for one in claims.judged if one.scope.dataset == dataset]
        label = dataset_label(dataset)
        if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
            lines.append(f"**{label}: not tested yet.** {len(here)} claims are registered; no run counts so far.")
            continue
        lines.append(f"**{label}**: {counted(here, claims.mark)}")
        lines.append("")
        for words, listed in by_answer(here, claims.mark).items():
            lines.append(f"* {words}: {' '.join(claim_sentence(one, claims.mark) for one in listed)}")
        lines.append("")
    if any(_key(one) in claims.chosen for one in claims.judged if one.parts):
        lines.append(f"\n{CHOSE_NOTE}\n")
    return "\n".join([*lines, claims.registration.history])


def not_run(claims: JudgedClaims) -> list[str]:
    """The claims without a counted run, each with where it is to be tested."""
    waiting: dict[str, list[JudgedClaim]] = {}
    for one in claims.judged:
        if one.verdict is ClaimVerdict.NOT_RUN:
            waiting.setdefault(full_sentence(one.claim), []).append(one)
    return [
        f"{sentence} ({', '.join(network_label(one.scope.network) for one in part)})"
        for sentence, part in waiting.items()
    ]


def claims_markdown(claims: JudgedClaims) -> str:
    """Answer, table of what was run, and list of what was not."""
    shown = readable_claims(claims)
    table = "" if shown.empty else f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n"
    waiting = "\n".join(f"* {sentence}" for sentence in not_run(claims))
    return f"{answer(claims)}\n\n{table}Not run yet:\n\n{waiting}\n"


def write_claims(claims: JudgedClaims, folder: Path) -> None:
    """Write claims.csv and claims.md."""
    with replacing(folder / "claims.csv") as temporary:
        tidy(claims).to_csv(temporary, index=False, float_format="%.6g")
    with replacing(folder / "claims.md") as temporary:
        temporary.write_text(claims_markdown(claims), encoding="utf-8")
