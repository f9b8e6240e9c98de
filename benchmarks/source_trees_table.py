"""The step of training beside that of an older source tree, as a table for readers."""

from __future__ import annotations

import pandas as pd

from benchmarks.measurements import rows_of
from slotmachines.networks.names import network_label
from slotpipeline.analysis.text import number


def source_trees_text(table: pd.DataFrame) -> str:
    """How many times as fast the newer tree is, and whether both have selected the same weights."""
    rows = [
        {
            "network": network_label(row.network),
            "K": row.options,
            "threads": row.threads,
            "times as fast": f"{number(row.faster)} ({number(row.faster_low)} to {number(row.faster_high)})",
            "same selections": "yes" if row.same_selections else "no",
            "after steps": row.steps,
            "load of the machine": number(row.load, ".1f"),
        }
        for row in rows_of(table)
    ]
    commits = ", ".join(sorted({f"{row.commit[:7]} against {row.old_commit[:7]}" for row in rows_of(table)}))
    places = ", ".join(sorted(set(table["processor"])))
    text = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{text}\n\nMedian over {table['repeats'].min()} turns, and quartiles. Commit {commits}; {places}."
