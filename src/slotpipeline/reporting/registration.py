"""When the runs of a confirmation study started, beside the registration of its claims."""

from __future__ import annotations

from typing import Any

import pandas as pd

from slotpipeline.analysis.text import options_text
from slotpipeline.results.claims import REGISTERED_AT
from slotpipeline.results.read import Results

HOURS = "hours after registration"


def is_confirmation(results: Results) -> bool:
    """Whether the runs of a grid decide registered claims."""
    scopes = results.registration.scopes if results.registration else []
    return any(scope.is_frozen and scope.grid == results.config["grid"] for scope in scopes)


def registration_note(results: Results) -> dict[str, str]:
    """What a page says of the registration; nothing for a grid that decides no claim."""
    if results.registration is None or not is_confirmation(results):
        return {}
    times = start_times(results.runs)
    late = int((times[HOURS] < 0).sum())
    started = f"{late} of {len(times)} runs started before it" if late else f"all {len(times)} runs started after it"
    return {"Claims": f"{results.registration.history} Of the runs here, {started}."}


def start_times(runs: pd.DataFrame) -> pd.DataFrame:
    """Cell, seed, commit and start of each run, and how many hours after the registration that was."""
    started = pd.to_datetime(runs["started"], utc=True)
    hours = (started - pd.Timestamp(REGISTERED_AT)).dt.total_seconds() / 3600
    columns: dict[str, Any] = {name: runs[name] for name in ("network", "method")}
    columns |= {"K": [options_text(None if pd.isna(one) else int(one)) for one in runs["options"]]}
    columns |= {"variant": runs["variant"], "recipe": runs["recipe"], "seed": runs["seed"]}
    columns |= {"commit": runs["commit"].str[:7], "started": runs["started"], HOURS: hours.round(2)}
    return pd.DataFrame(columns).sort_values("started")
