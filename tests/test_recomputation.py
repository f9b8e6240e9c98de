"""The project and an own recomputation (`recomputed`) agree on every committed cell, comparison and claim."""

from __future__ import annotations

import math
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from recomputed import (
    CLAIMS,
    CLOSE,
    COLLAPSED,
    EVERY_GRID,
    GRIDS,
    PROJECT,
    REFERENCE,
    common_spread,
    difference,
    holds,
    holm,
    interval,
    limit,
    number,
    parts_of,
    plain,
    runs_of,
)
from slotpipeline.experiments.outcomes import comparisons, grid_results
from slotpipeline.reporting.claim_table import claims_so_far, tidy
from slotpipeline.reporting.scoreboard import scoreboard
from slotpipeline.reporting.tables import csv_text
from slotpipeline.results.read import read_results


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
                own = (first - second).std() / math.sqrt(len(first))
                if {one.first.identities, one.second.identities} <= members and own <= error:
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
        least = min(verdicts, default=0)  # of one seed each, no part has an interval
        decided = "supported" if least == 1 else "contradicted" if least == -1 else "undecided"
        failures = "sharing" in claim["cells"]  # counted by tests/test_claims.py
        expected = decided if min(counts) >= CLAIMS["minimum_seeds"] else "undecided"
        assert failures or set(rows["verdict"]) == {expected}, name
        p_values[name] = (
            float(np.max([part["p"] for part in parts])) if len(parts) == len(rows) else math.nan
        )  # NaN wins
    found = table[table["network"] == "lenet"].drop_duplicates("claim").set_index("claim")
    if set(found["p_value"].dropna().index) <= set(p_values):  # no claim that curves decide is among those corrected
        corrected = holm(pd.Series(p_values, dtype=float))
        assert found["holm"].dropna().sort_index().tolist() == pytest.approx(corrected.sort_index().tolist(), abs=1e-6)
