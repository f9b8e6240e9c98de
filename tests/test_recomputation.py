"""Every cell, comparison and claim of the committed results once more, from the CSV files by pandas and scipy alone.

Nothing below `# The same from the files` uses the project's analysis: runs are selected by the columns of runs.csv and
not by their identities, and the registered claims are read from their YAML file.
"""

from __future__ import annotations

import json
import math
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import yaml
from scipy import stats

from slotpipeline.experiments.outcomes import comparisons, grid_results
from slotpipeline.reporting.claim_table import claims_so_far, tidy
from slotpipeline.reporting.scoreboard import scoreboard
from slotpipeline.reporting.tables import csv_text
from slotpipeline.results.read import read_results

PROJECT = Path(__file__).parents[1]
GRIDS = sorted(path.parent.name for path in (PROJECT / "results").glob("*/runs.csv"))
EVERY_GRID = pytest.mark.parametrize("grid", GRIDS)
REFERENCE = PROJECT / "config" / "reference.csv"
CLAIMS = yaml.safe_load((PROJECT / "config" / "claims.yaml").read_text())
COLLAPSED = 10.0
"""Accuracies of a cell that lie more points apart than that are in two heaps, and have no t-interval."""
CLOSE: dict[str, Any] = {"abs": 1e-6, "nan_ok": True}


# The same from the files


def runs_of(grid: str) -> pd.DataFrame:
    runs = pd.read_csv(PROJECT / "results" / grid / "runs.csv", dtype={"identity": str, "parent": str})
    runs["what"] = runs[["dataset", "network", "method", "options", "variant", "start_epoch", "settings"]].apply(
        lambda row: json.dumps([None if pd.isna(value) else value for value in row]), axis=1
    )
    parents = runs.set_index("identity")["what"]
    runs["what"] += runs["parent"].map(parents).fillna("")
    return runs


def interval(values: pd.Series, confidence: float) -> tuple[float, float]:
    if len(values) < 2 or values.std() == 0:
        return math.nan, math.nan
    return stats.t.interval(confidence, len(values) - 1, values.mean(), stats.sem(values))


def holm(p_values: pd.Series) -> pd.Series:
    """Of the known p-values, sorted: each times how many are left, and none below the one before."""
    known = p_values.dropna().sort_values()
    return (known * np.arange(len(known), 0, -1)).cummax().clip(upper=1)


def difference(first: pd.Series, second: pd.Series) -> tuple[float, float, float, float]:
    """Mean, 95% interval and p-value of the difference of two cells by seed, paired where two seeds are shared."""
    if max(np.ptp(first), np.ptp(second)) > COLLAPSED:
        shared = (first - second).dropna()
        mean = shared.mean() if len(shared) > 1 else first.mean() - second.mean()
        return mean, math.nan, math.nan, math.nan
    shared = (first - second).dropna().round(9)
    if len(shared) > 1:
        low, high = interval(shared, 0.95)
        p = stats.ttest_rel(first[shared.index], second[shared.index]).pvalue if not math.isnan(low) else math.nan
        return shared.mean(), low, high, p
    mean = first.mean() - second.mean()
    if min(len(first), len(second)) < 2:
        return mean, math.nan, math.nan, math.nan
    found = stats.ttest_ind(first, second, equal_var=False)
    return mean, *found.confidence_interval(0.95), found.pvalue


def common_spread(cells: dict[Any, pd.Series]) -> tuple[set[Any], float, float]:
    """Of cells with the same seeds, those that vary alike; standard error of a difference of two, and its freedom."""
    spreads = pd.Series({name: cell.var() for name, cell in cells.items() if np.ptp(cell)}).sort_values()
    n = len(next(iter(cells.values())))
    while len(spreads) > 2:
        k = len(spreads)
        critical = stats.f.ppf(1 - 0.05 / k, n - 1, (k - 1) * (n - 1))
        if spreads.iloc[-1] / spreads.sum() <= critical / (critical + k - 1):
            long = (
                pd.DataFrame({str(name): cells[name] for name in spreads.index}).melt(ignore_index=False).reset_index()
            )
            long.columns = pd.Index(["seed", "cell", "accuracy"])
            fit = smf.ols("accuracy ~ C(cell) + C(seed)", long).fit()
            return set(spreads.index), math.sqrt(2 * fit.mse_resid / n), fit.df_resid
        spreads = spreads.iloc[:-1]
    return set(), math.nan, math.nan


def number(values: pd.Series, paper: pd.Series, tolerance: float) -> dict[str, Any]:
    """The verdict of a published number, by the rules at the top of config/claims.yaml."""
    n, gap, own = len(values), values.mean() - paper["value"], values.var() / len(values)
    spread = 0.0 if pd.isna(paper["low"]) else (paper["high"] - paper["low"]) / 2.059
    theirs, reading = spread**2 / 4, paper["reading_uncertainty"]
    freedom = (own + theirs) ** 2 / (own**2 / (n - 1) + theirs**2 / 3)
    low, high = stats.t.interval(0.9, freedom, gap, math.sqrt(own + theirs))
    outer, inner = tolerance + reading, tolerance - reading
    verdict = "inconclusive"
    if stats.t.ppf(0.95, 3) * math.sqrt(theirs) > inner:
        verdict = "the paper is too uncertain"
    elif -inner <= low and high <= inner:
        verdict = "reproduced"
    elif low > outer or high < -outer:
        verdict = "above" if low > 0 else "below"
    elif inner <= 0:
        verdict = "the paper is too uncertain"
    below, above = (stats.t.sf((inner + sign * gap) / math.sqrt(own + theirs), freedom) for sign in (1, -1))
    return {"mean": gap, "low": low, "high": high, "p": max(below, above), "verdict": verdict}


@EVERY_GRID
def test_every_cell(grid: str) -> None:
    runs, results = runs_of(grid), read_results(PROJECT / "results" / grid, REFERENCE, PROJECT)
    config, checked = yaml.safe_load((PROJECT / "results" / grid / "config.yaml").read_text()), 0
    for name, found in grid_results(results).items():
        table = pd.read_csv(StringIO(csv_text(found)), dtype={"identities": str}, keep_default_na=False)
        planned = config["experiments"][name].get("seeds", config["seeds"])
        for row in table[pd.to_numeric(table["n"]) > 0].to_dict("records"):
            own = runs[runs["identity"].isin(row["identities"].split())]
            (what,) = set(own["what"])
            same = runs[(runs["what"] == what) & runs["seed"].isin(planned)]
            assert set(same["identity"]) == set(own["identity"]), (name, row["method"], row["options"])
            accuracy = same["test_accuracy"]
            low, high = (math.nan, math.nan) if np.ptp(accuracy) > COLLAPSED else interval(accuracy, 0.95)
            expected = [len(accuracy), accuracy.mean(), low, high, accuracy.min(), accuracy.max()]
            columns = ["n", "mean", "low", "high", "minimum", "maximum"]
            assert [float(row[one] or "nan") for one in columns] == pytest.approx(expected, abs=1e-4, nan_ok=True)
            if row["difference"] != "":
                gap = accuracy.mean() - float(row["paper_value"])
                assert float(row["difference"]) == pytest.approx(gap, abs=1e-4)
            checked += 1
    assert checked


@EVERY_GRID
def test_every_comparison(grid: str) -> None:
    runs, results = runs_of(grid).set_index("identity"), read_results(PROJECT / "results" / grid, REFERENCE, PROJECT)
    for name, found in grid_results(results).items():
        compared = comparisons(name, found)
        p_values, groups = [], {}
        cells = {
            cell.identities: runs.loc[list(cell.identities)].set_index("seed")["test_accuracy"]
            for one in compared
            for cell in (one.first, one.second)
        }
        for key, cell in cells.items():
            if 1 < len(cell) < 5 and np.ptp(cell) <= COLLAPSED:
                place = tuple(runs.loc[key[0], ["dataset", "network"]])
                groups.setdefault((*place, *sorted(cell.index)), {})[key] = cell
        pools = [common_spread(group) for group in groups.values()]
        for one in compared:
            first, second = cells[one.first.identities], cells[one.second.identities]
            mean, low, high, p = difference(first, second)
            for members, error, freedom in pools:
                if {one.first.identities, one.second.identities} <= members:
                    low, high = stats.t.interval(0.95, freedom, mean, error)
                    p = 2 * stats.t.sf(abs(mean) / error, freedom)
                    assert one.pooled == len(members)
            assert one.difference.mean == pytest.approx(mean)
            assert (one.difference.interval or (math.nan, math.nan)) == pytest.approx((low, high), **CLOSE)
            assert (math.nan if one.difference.p_value is None else one.difference.p_value) == pytest.approx(p, **CLOSE)
            p_values.append(p)
        corrected = holm(pd.Series(p_values, dtype=float))
        assert [one.corrected for one in compared if one.corrected is not None] == pytest.approx(
            corrected.sort_index().tolist(), abs=1e-6
        )


def test_every_number_of_the_scoreboard() -> None:
    reference = pd.read_csv(REFERENCE)
    grids = [read_results(PROJECT / "results" / name, REFERENCE, PROJECT) for name in GRIDS]
    board = scoreboard(grids)
    assert len(board) == len(reference)
    for (_, row), (_, paper) in zip(board.iterrows(), reference.iterrows(), strict=True):
        scope = next((one for one in CLAIMS["scopes"].values() if one["network"] == row["network"]), None)
        if scope is None or scope["recipe"] == "undecided" or scope["grid"] not in GRIDS:
            assert (row["n"], row["verdict"]) == (0, "not run")
            continue
        cell = plain(runs_of(scope["grid"]), scope, row["method"], row["options"], scope["recipe"], scope["seeds"])
        assert row["n"] == len(cell)
        if len(cell) >= CLAIMS["minimum_seeds"]:
            expected = number(cell, paper, CLAIMS["tolerance"][row["dataset"]])
            assert (row["low"], row["high"]) == pytest.approx((expected["low"], expected["high"]))
            assert row["verdict"] == expected["verdict"]


def plain(
    runs: pd.DataFrame, scope: dict[str, Any], method: str, options: Any, recipe: str, seeds: list[int],
    start_epoch: int | None = None, **settings: Any,
) -> pd.Series:  # fmt: skip
    """Test accuracy by seed of one cell with its recipe's own settings, but for those that are given."""
    held = runs["settings"].map(json.loads)
    mask = (runs["network"] == scope["network"]) & (runs["dataset"] == scope["dataset"]) & (runs["method"] == method)
    mask &= (runs["recipe"] == recipe) & runs["seed"].isin(seeds)
    mask &= runs["options"].isna() if pd.isna(options) else runs["options"] == options
    mask &= runs["start_epoch"].isna() if start_epoch is None else runs["start_epoch"] == start_epoch
    mask &= held.map(lambda one: one.get("sharing", "none")) == settings.get("sharing", "none")
    if method == "learned":  # the only method whose settings the confirmation study varies
        chosen = {"learning_rate": 0.01, "weight_decay": 0.0, "schedule": "constant"} | settings
        for name, value in chosen.items():
            default = {"weight_decay": 0.0, "schedule": "constant"}.get(name)
            mask &= held.map(lambda one, name=name, default=default: one.get(name, default)) == value
    return runs[mask].set_index("seed")["test_accuracy"]


def parts_of(name: str, claim: dict[str, Any], scope: dict[str, Any], seeds: list[int]) -> list[pd.Series]:
    """Of a claim about differences, each part's values by seed."""
    runs, recipe = runs_of(scope["grid"]), scope["recipe"]

    def cell(which: dict[str, Any], options: Any) -> pd.Series:
        share = {"sharing": which["sharing"]} if "sharing" in which else {}
        start = which.get("finetuned_from")
        return plain(runs, scope, which["method"], options, which.get("recipe", recipe), seeds, start, **share)

    def learned_as_tuned() -> pd.Series:
        tuning, best = claim["tuning"], []
        for rate, decay, schedule in product(tuning["learning_rate"], tuning["weight_decay"], tuning["schedule"]):
            kind = {"constant": "constant", "one cosine to zero": "warm-restarts"}[schedule]
            chosen = {"learning_rate": rate, "weight_decay": decay, "schedule": kind}
            by_validation = runs.assign(test_accuracy=runs["val_accuracy"])
            validation = plain(by_validation, scope, "learned", None, recipe, tuning["seeds"], **chosen)
            best.append((len(validation) == len(tuning["seeds"]), validation.mean(), chosen))
        if not all(complete for complete, *_ in best):
            return pd.Series(dtype=float)
        return plain(runs, scope, "learned", None, recipe, seeds, **max(best, key=lambda one: one[1])[2])

    if name == "later-hand-over-is-better":
        starts = range(20, 200, 20)
        ends = pd.DataFrame({start: plain(runs, scope, "greedy", 8, recipe, seeds, start) for start in starts}).dropna()
        return [ends.apply(lambda row: 100 * np.polyfit(list(starts), row, 1)[0], axis=1)]
    numbers = claim["cells"].get("options", [None])
    parts = []
    for options in numbers:
        other = claim["less"].get("options", [None])
        beside = options if options in other else other[0]
        theirs = learned_as_tuned() if "tuning" in claim else cell(claim["less"], beside)
        parts.append((cell(claim["cells"], options) - theirs).dropna().round(9))
    if name == "greedy-beats-probabilistic":
        return [pd.DataFrame(dict(enumerate(parts))).dropna().mean(axis=1)]
    return parts


def limit(bounds: dict[str, Any], place: str, dataset: str) -> tuple[str, float]:
    kind = next(one for one in bounds if one.endswith(("above", "at_least", "below")) and one[0] in "lu")
    return kind, bounds[kind].get(place, bounds[kind].get(dataset))


def holds(bound: tuple[str, float], low: float, high: float) -> bool:
    kind, value = bound
    return {"lower_bound_above": low > value, "lower_bound_at_least": low >= value, "upper_bound_below": high < value}[
        kind
    ]


FROM_COLUMNS = {
    name: claim
    for name, claim in CLAIMS["claims"].items()
    if claim["tier"] in "ABCD" and "lenet" in claim["scopes"] and not claim["source"].startswith("Ivan")
    and name != "probabilistic-keeps-changing"
}  # fmt: skip
"""The claims that runs.csv alone decides; churn and Ivan and Florian's are computed from curves."""


def test_every_claim() -> None:
    judged = claims_so_far(PROJECT / "results", REFERENCE, PROJECT)
    assert judged is not None
    table, p_values = tidy(judged), {}
    for name, claim in FROM_COLUMNS.items():
        scope = CLAIMS["scopes"]["lenet"]
        rows = table[(table["claim"] == name) & (table["network"] == "lenet") & table["decides"]]
        if scope["grid"] not in GRIDS:
            assert set(rows["verdict"]) == {"not run"}
            continue
        seeds = claim.get("seeds", {}).get("lenet", scope["seeds"])
        verdicts, counts, parts = [], [], []
        if claim["statistic"] == "numbers":
            reference = pd.read_csv(REFERENCE)
            for options in claim["cells"]["options"]:
                place = claim["cells"].get("reference", "k-sweep")
                same = (reference["source"] == place) | (
                    (reference["source"] == "aladago2021") & (reference["figure"] == place)
                )
                same &= (reference["architecture"] == "lenet") & (reference["method"] == "greedy")
                (paper,) = (row for _, row in reference[same & (reference["options"] == options)].iterrows())
                recipe = claim["cells"].get("recipe", scope["recipe"])
                values = plain(runs_of(scope["grid"]), scope, "greedy", options, recipe, seeds)
                counts.append(len(values))
                if len(values) > 1:
                    parts.append(number(values, paper, CLAIMS["tolerance"]["mnist"]))
                    verdict = {"reproduced": 1, "above": -1, "below": -1}.get(parts[-1]["verdict"], 0)
                    verdicts.append(verdict)
        else:
            for values in parts_of(name, claim, scope, seeds):
                counts.append(len(values))
                low, high = interval(values, 0.9)
                support, against = (limit(claim[which], "lenet", "mnist") for which in ("supported", "contradicted"))
                side = "less" if support[0] == "upper_bound_below" else "greater"
                p = stats.ttest_1samp(values, support[1], alternative=side).pvalue if low == low else math.nan
                parts.append({"mean": values.mean(), "low": low, "high": high, "p": p})
                verdicts.append(1 if holds(support, low, high) else -1 if holds(against, low, high) else 0)
        if not any(counts):
            assert set(rows["verdict"]) == {"not run"}, name
            continue
        assert rows["n"].tolist() == counts, name
        for column, known in (("mean", "mean"), ("low", "low"), ("high", "high"), ("part_p_value", "p")):
            if len(parts) == len(rows):
                assert rows[column].tolist() == pytest.approx([part[known] for part in parts], **CLOSE), (name, column)
        decided = "supported" if min(verdicts) == 1 else "contradicted" if min(verdicts) == -1 else "undecided"
        failures = "sharing" in claim["cells"]  # counted by tests/test_claims.py
        expected = decided if min(counts) >= CLAIMS["minimum_seeds"] else "undecided"
        assert failures or set(rows["verdict"]) == {expected}, name
        p_values[name] = max(part["p"] for part in parts) if len(parts) == len(rows) else math.nan
    found = table[table["network"] == "lenet"].drop_duplicates("claim").set_index("claim")
    if set(found["p_value"].dropna().index) <= set(p_values):  # no claim that curves decide is among those corrected
        corrected = holm(pd.Series(p_values, dtype=float))
        assert found["holm"].dropna().sort_index().tolist() == pytest.approx(corrected.sort_index().tolist(), abs=1e-6)
