"""The measurements of `workflow/scripts/precision.py` as text for readers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from slotmachines.reporting.table import number, rows_of


def precision_text(selections: pd.DataFrame, accuracy: pd.DataFrame) -> str:
    """How often float32 selects another option than K float64 scores, and the accuracy of both, in Markdown."""
    by_run = selections.groupby(["options", "formulation"], sort=False)
    rows = [_selection_row(*names, part) for names, part in by_run]
    first = rows_of(accuracy)[0]
    return "\n\n".join(
        [
            "Share of the connections whose option is not that of K float64 scores fed the same gradients, over the "
            f"compared steps (every {selections['compared_every'].iloc[0]}th), and the most by which the score of such an "
            "option falls short of the highest one, relative to the largest score of its connection:",
            pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True),
            f"Trained independently, {len(accuracy)} seeds of {first.epochs} epochs at K = {first.options}: test accuracy "
            f"{number(accuracy['one_number'].mean())}% with one number per connection and "
            f"{number(accuracy['k_scores'].mean())}% with K scores, a paired difference of "
            f"{number(first.mean_difference, '+.3f')} points (95% t-interval {number(first.low, '+.3f')} to "
            f"{number(first.high, '+.3f')}).",
        ]
    )


def _selection_row(options: int, formulation: str, part: pd.DataFrame) -> dict[str, Any]:
    steps = part["compared_steps"]
    share = (part["mean_share"] * steps).sum() / steps.sum()
    return {
        "K": options,
        "trained": formulation,
        "epochs": len(part),
        "mean share": f"{share:.1e}",
        "largest share": f"{part['max_share'].max():.1e}",
        "largest gap": f"{part['largest_gap'].max():.0e}",
    }
