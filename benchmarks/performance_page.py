"""The measurements as tables for readers. Of a CPU's times only ratios are shown: they carry over to other machines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.goals import GOALS, Goal
from benchmarks.measurements import conditions, rows_of
from slotmachines.networks.names import network_label
from slotpipeline.analysis.text import number

_METHODS = {"one-number": "one number", "plain": "one number, plain PyTorch", "dense": "K scores"}
_LIMITS = {"ratio": "{:g} ordinary steps", "numbers": "{:g} numbers", "build_seconds": "{:g} s", "loss": "loss {:.2f}"}


def benchmark_text(table: pd.DataFrame) -> str:
    """All tables of one kind of device in Markdown."""
    parts = [
        goals_table(table),
        "Step time, in steps of ordinary training: median over the rounds, and quartiles.",
        pivot(table, _with_quartiles),
        "Peak memory beyond ordinary training, in numbers of 4 bytes per connection.",
        pivot(table, lambda row: number(row.numbers, ".1f")),
        "Share of the connections whose weight changes from one step to the next, after the warm-up; and the first ten "
        "steps, in ordinary steps.",
        pivot(table[table["method"] == "one-number"], _changes),
        conditions(table),
    ]
    return "\n\n".join(parts)


def goals_table(table: pd.DataFrame) -> str:
    """Each goal, the range of what was measured for it, and whether all of it keeps the limit."""
    rows = [_goal_row(goal, [row for row in rows_of(table) if goal.is_for(row)]) for goal in GOALS]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _goal_row(goal: Goal, rows: list[Any]) -> dict[str, str]:
    found = [row for row in rows if not pd.isna(getattr(row, goal.measure))]
    missed = [f"{network_label(row.network)} K = {row.options}" for row in found if not goal.is_met(row)]
    values = [getattr(row, goal.measure) for row in found]
    return {
        "goal": goal.what,
        "limit": _LIMITS[goal.measure].format(goal.limit),
        "measured": _range(values, goal) if found else "not measured",
        "met": "" if not found else f"no: {', '.join(missed)}" if missed else "yes",
    }


def _range(values: list[float], goal: Goal) -> str:
    if goal.measure == "build_seconds":
        return f"{max(values) / goal.limit:.0%} of it"
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _with_quartiles(row: Any) -> str:
    return f"{number(row.ratio)} ({number(row.ratio_low)} to {number(row.ratio_high)})"


def _changes(row: Any) -> str:
    first = f"{number(row.first_ratio, '.1f')}"
    return first if pd.isna(row.changed_share) else f"{row.changed_share:.2%}; {first}"


def pivot(table: pd.DataFrame, text: Any) -> str:
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
