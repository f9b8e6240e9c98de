"""The verdicts of the registered claims: for readers, as data, and as the answer that opens the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from slotmachines.files import replacing
from slotmachines.networks.names import network_label
from slotpipeline.analysis.claim_runs import GridRuns
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim, Part, judge_claims
from slotpipeline.analysis.text import DASH, network_title, number, p_text
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.grid import planned
from slotpipeline.reporting.tables import CHOSE_NOTE, CHOSEN
from slotpipeline.results.claims import Registration, Scope, Statistic
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, read_results
from slotpipeline.results.reference import PublishedNumber, published_at
from slotpipeline.runs.cell import Config

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
            "claim": one.claim.sentence, "tested on": _where(one), "verdict": verdict_words(one) + claims.mark(one),
            "mean (90% interval)": "; ".join(part_words(one, part) for part in one.deciding),
            "supported if the interval is": needs_words(one), "seeds": seeds_words(one),
            "p": p_text(one.p_value), "p (Holm)": p_text(one.corrected),
            "table": ", ".join(f"[{Path(table).stem}]({table})" for table in tables) or DASH,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _where(one: JudgedClaim) -> str:
    extension = ", an extension: the paper claims it for other networks" if one.is_extension else ""
    return f"{network_title(one.scope.dataset, one.scope.network)}{extension}"


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
    """Mean and 90% interval of one part, in words."""
    if not part.n:
        return f"{part.name}: not run" if part.name else "not run"
    words = [f"{part.name}:" if part.name else "", number(part.mean, "+.2f")]
    unit = _UNITS.get(one.claim.kind, "")
    words += [unit] if unit else []
    if part.low is not None and part.high is not None:
        words.append(f"({number(part.low, '+.2f')} to {number(part.high, '+.2f')})")
    text = " ".join(filter(None, words))
    return f"{text}, {part.detail}" if part.detail else text


def counts(judged: Iterable[JudgedClaim]) -> dict[str, int]:
    """Verdict -> how many claims have it."""
    found = Counter(one.verdict for one in judged)
    return {str(verdict): found[verdict] for verdict in ORDER}


def counted(judged: Sequence[JudgedClaim]) -> str:
    """How many claims have which verdict, in words."""
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts(judged).items() if count)
    return f"Of {len(judged)} registered claims: {said}."


def answer(claims: JudgedClaims) -> str:
    """Whether the paper holds, in a few plain sentences, from the verdicts alone."""
    lines = []
    for dataset in dict.fromkeys(one.scope.dataset for one in claims.judged):
        here = [one for one in claims.judged if one.scope.dataset == dataset]
        label = dataset_label(dataset)
        if all(one.verdict is ClaimVerdict.NOT_RUN for one in here):
            lines.append(f"**{label}: not tested yet.** {len(here)} claims are registered; no run counts so far.")
            continue
        lines.append(f"**{label}**: {counted(here)}")
        lines.append("")
        for words, listed in by_answer(here).items():
            lines.append(f"* {words}: {' '.join(claim_sentence(one) + claims.mark(one) for one in listed)}")
        lines.append("")
    if any(_key(one) in claims.chosen for one in claims.judged if one.parts):
        lines.append(f"\n{CHOSE_NOTE}\n")
    return "\n".join([*lines, claims.registration.history])


def by_answer(judged: Sequence[JudgedClaim]) -> dict[str, list[JudgedClaim]]:
    """The answer in words -> the tested claims that have it: what holds first, what more runs can change after it."""
    found: dict[str, list[JudgedClaim]] = {}
    for verdict, words in _ANSWERS.items():
        for one in sorted(judged, key=lambda one: not one.is_final):
            if one.verdict is verdict:
                found.setdefault(f"{words}{so_far(one)}", []).append(one)
    return found


def claim_sentence(one: JudgedClaim) -> str:
    """A claim as it stands under its answer: in quotes where nothing is decided, with what a verdict rests on."""
    if one.verdict is ClaimVerdict.UNDECIDED:
        return f"\N{LEFT DOUBLE QUOTATION MARK}{one.claim.sentence}\N{RIGHT DOUBLE QUOTATION MARK}"
    rests = [verdict_detail(one), "" if one.is_final else f"{seeds_words(one)} seeds"]
    said = ", ".join(filter(None, rests))
    return f"{one.claim.sentence.rstrip('.')} ({said})." if said else one.claim.sentence


def not_run(claims: JudgedClaims) -> list[str]:
    """The claims without a counted run, each with where it is to be tested."""
    waiting: dict[str, list[JudgedClaim]] = {}
    for one in claims.judged:
        if one.verdict is ClaimVerdict.NOT_RUN:
            waiting.setdefault(one.claim.sentence, []).append(one)
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
