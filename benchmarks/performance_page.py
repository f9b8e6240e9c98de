"""The measurements as tables for readers. Of a CPU's times only ratios are shown: they carry over to other machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.goals import GOALS, Goal
from benchmarks.measurements import conditions, rows_of
from slotmachines.networks.names import network_label
from slotpipeline.analysis.text import number

_METHODS = {"one-number": "one number", "plain": "one number, plain PyTorch", "dense": "K scores"}
_LIMITS = {"ratio": "{:g} ordinary steps", "numbers": "{:g} numbers", "build_seconds": "{:g} s", "loss": "loss {:.2f}"}
_SLOW_START = 2.0
"""First steps that take more ordinary steps than this are named."""


def benchmark_text(table: pd.DataFrame) -> str:
    """All tables of one kind of device in Markdown."""
    return "\n\n".join(
        [
            goals_table(table),
            "Step time in steps of ordinary training (median, quartiles):",
            pivot(table, _with_quartiles),
            "Peak memory beyond ordinary training, in numbers of 4 bytes per connection:",
            pivot(table, lambda row: number(row.numbers, ".1f")),
            changes_text(table),
            conditions(table),
        ]
    )


def goals_table(table: pd.DataFrame) -> str:
    """Each goal of a kind of device, the range of what was measured for it, and whether all of it keeps the limit.

    Goals for which nothing was measured are named below the table.
    """
    on_cpu = bool((table["device"] == "cpu").any())
    found = {
        goal: [row for row in rows_of(table) if goal.is_for(row) and not pd.isna(getattr(row, goal.measure))]
        for goal in GOALS
        if on_cpu or not goal.cpu_only
    }
    rows = [_goal_row(goal, measured) for goal, measured in found.items() if measured]
    parts = [pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)] if rows else []
    missing = [f"{goal.what} ({_limit(goal)})" for goal, measured in found.items() if not measured]
    return "\n\n".join([*parts, *([f"Goals not measured: {'; '.join(missing)}."] if missing else [])])


def _goal_row(goal: Goal, rows: list[Any]) -> dict[str, str]:
    missed = [f"{network_label(row.network)} K = {row.options}" for row in rows if not goal.is_met(row)]
    return {
        "goal": goal.what,
        "limit": _limit(goal),
        "measured": _range([getattr(row, goal.measure) for row in rows], goal),
        "met": f"no: {', '.join(missed)}" if missed else "yes",
    }


def _limit(goal: Goal) -> str:
    return _LIMITS[goal.measure].format(goal.limit)


def _range(values: list[float], goal: Goal) -> str:
    if goal.measure == "build_seconds":
        return f"{max(values) / goal.limit:.0%} of it"
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _with_quartiles(row: Any) -> str:
    return f"{number(row.ratio)} ({number(row.ratio_low)}\N{EN DASH}{number(row.ratio_high)})"


def changes_text(table: pd.DataFrame) -> str:
    """How many weights change from step to step, and which slot machines start slowly, in a sentence or two."""
    rows = [row for row in rows_of(table) if row.method == "one-number"]
    shares = [row.changed_share for row in rows if not pd.isna(row.changed_share)]
    parts = []
    if shares:
        parts.append(
            f"After the warm-up, {min(shares):.2%} to {max(shares):.2%} of the weights change per greedy step."
        )
    named = [
        f"{network_label(row.network)}, {row.selection}, K = {row.options:,}: {number(row.first_ratio, ',.1f')}"
        for row in rows
        if row.first_ratio > max(_SLOW_START, 1.5 * row.ratio)
    ]
    if named:
        parts.append(f"The first ten steps are slower in these cases (ordinary steps): {'; '.join(named)}.")
    return " ".join(parts)


def pivot(table: pd.DataFrame, text: Callable[[Any], str]) -> str:
    """One row per network, selection and method, one column per K."""
    cells = [
        {
            "network": network_label(row.network),
            "selection": row.selection,
            "method": _METHODS[row.method],
            "options": row.options,
            "text": text(row),
        }
        for row in rows_of(table)
    ]
    wide = pd.DataFrame(cells).pivot(index=["network", "selection", "method"], columns="options", values="text")
    order = list(dict.fromkeys((c["network"], c["selection"], c["method"]) for c in cells))
    wide = wide.reindex(pd.MultiIndex.from_tuples(order, names=wide.index.names)).fillna("")
    wide.columns = [f"K = {k:,}" for k in wide.columns]
    return wide.reset_index().to_markdown(index=False, disable_numparse=True)
