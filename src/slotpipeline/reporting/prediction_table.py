"""The predictions of runs beside the runs, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slotmachines.networks.names import network_label
from slotpipeline.analysis.predictions import Scored, score, scores_text
from slotpipeline.analysis.text import DASH, method_name, number, options_text, span
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.predictions_file import Predictions
from slotpipeline.results.read import Results, read_runs


def predictions_text(predictions: Predictions, results: Path) -> str:
    """All predictions, with the runs that are recorded beside them; `results`: the folder of all results.

    Raises:
        UserError: runs.csv is damaged.
    """
    path = results / predictions.grid / RUNS_CSV
    runs = read_runs(path) if path.is_file() else pd.DataFrame(columns=["identity", "test_accuracy", "started"])
    scored = scored_by(predictions, runs)
    table = readable_predictions(scored).to_markdown(index=False, tablefmt="simple", disable_numparse=True)
    return "\n\n".join([table, scores_text(scored), written_when(predictions, runs)])


def predictions_of_page(results: Results) -> tuple[str, pd.DataFrame] | None:
    """What a report says of the predictions: a paragraph, and a table of those that were run; None before the first."""
    predictions = results.predictions
    if predictions is None or predictions.grid != results.config["grid"]:
        return None
    scored = scored_by(predictions, results.runs)
    run = [one for one in scored if one.accuracy is not None]
    if not run:
        return None
    return f"{scores_text(scored)} {written_when(predictions, results.runs)}", readable_predictions(run)


def scored_by(predictions: Predictions, runs: pd.DataFrame) -> list[Scored]:
    """Every prediction, scored by the rows of runs.csv."""
    return score(predictions, dict(zip(runs["identity"], runs["test_accuracy"].astype(float), strict=True)))


def readable_predictions(scored: Sequence[Scored]) -> pd.DataFrame:
    """One row of text per prediction."""
    return pd.DataFrame(
        {
            "network": network_label(one.prediction.network),
            "method": method_name(one.prediction.method),
            "K": options_text(one.prediction.options),
            "change": one.prediction.change,
            f"predicted ({100 * one.coverage:g}% interval)": (
                f"{number(one.prediction.value)} ({span(one.prediction.low, one.prediction.high)})"
            ),
            "accuracy": "not run" if one.accuracy is None else number(one.accuracy),
            "inside": DASH if one.is_inside is None else "yes" if one.is_inside else "no",
            "error": number(one.error, "+.2f"),
            "interval score": number(one.interval_score),
        }
        for one in scored
    )


def written_when(predictions: Predictions, runs: pd.DataFrame) -> str:
    """The day of the predictions, and how many of the predicted runs had begun before it."""
    known = runs[runs["identity"].isin([one.identity for one in predictions.runs])]
    day = pd.Timestamp(predictions.written, tz="UTC")
    early = int((pd.to_datetime(known["started"], utc=True) < day).sum())
    before = f"{early} of these runs had started before, and are no test" if early else "before any of these runs"
    return f"The predictions were written down on {predictions.written}, {before}."
