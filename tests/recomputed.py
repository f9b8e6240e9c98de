"""Cells, differences, verdicts and claims once more, from the CSV files by pandas, scipy and statsmodels alone.

Nothing here uses the project's analysis: runs are selected by the columns of runs.csv and not by their identities, and
the registered claims are read from their YAML file.
"""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import yaml
from scipy import stats

PROJECT = Path(__file__).parents[1]
GRIDS = sorted(path.parent.name for path in (PROJECT / "results").glob("*/runs.csv"))
EVERY_GRID = pytest.mark.parametrize("grid", GRIDS)
REFERENCE = PROJECT / "config" / "reference.csv"
CLAIMS = yaml.safe_load((PROJECT / "config" / "claims.yaml").read_text())
COLLAPSED = 10.0
"""Accuracies of a cell that lie more points apart than that are in two heaps, and have no t-interval."""
CLOSE: dict[str, Any] = {"abs": 1e-6, "nan_ok": True}


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
