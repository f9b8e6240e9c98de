"""The measurements of `benchmarks/run_precision.py` as text for readers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.measurements import rows_of
from slotpipeline.analysis.text import number


def precision_text(selections: pd.DataFrame, accuracy: pd.DataFrame) -> str:
    """How often float32 selects another option than K float64 scores, and the accuracy of both, in Markdown."""
    rows = [_selection_row(part) for _, part in selections.groupby(["options", "formulation"], sort=False)]
    every = selections["compared_every"].iloc[0]
    compared = (
        "Share of connections whose option differs from that of K float64 scores with the same gradients (every "
        f"{every}th step), and by how much its score falls short of the highest one, relative "
        "to the connection's largest score:"
    )
    first = rows_of(accuracy)[0]
    one, dense = (number(accuracy[name].mean()) for name in ("one_number", "k_scores"))
    difference, low, high = (number(value, "+.3f") for value in (first.mean_difference, first.low, first.high))
    trained = (
        f"Trained independently, {len(accuracy)} seeds of {first.epochs} epochs at K = {first.options}: test accuracy "
        f"{one}% with one number per connection and {dense}% with K scores, a paired difference of {difference} points "
        f"(95% t-interval {low} to {high})."
    )
    commits = ", ".join(sorted({str(commit)[:7] for commit in [*selections["commit"], *accuracy["commit"]]}))
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return "\n\n".join([compared, table, trained, f"Measured at commit {commits}."])


def _selection_row(part: pd.DataFrame) -> dict[str, Any]:
    steps = part["compared_steps"]
    share = (part["mean_share"] * steps).sum() / steps.sum()
    return {
        "K": part["options"].iloc[0],
        "trained": part["formulation"].iloc[0],
        "epochs": len(part),
        "mean share": f"{share:.1e}",
        "largest share": f"{part['max_share'].max():.1e}",
        "largest gap": f"{part['largest_gap'].max():.0e}",
    }
