"""When the runs of a confirmation study started, beside the registration of its claims."""

from __future__ import annotations

import pandas as pd

from slotpipeline.results.claims import REGISTERED_AT
from slotpipeline.results.read import Results


def registration_note(results: Results) -> dict[str, str]:
    """What a page says of the registration beside its runs; nothing for a grid that decides no claim."""
    scopes = results.registration.scopes if results.registration else []
    if not any(scope.is_frozen and scope.grid == results.config["grid"] for scope in scopes) or results.runs.empty:
        return {}
    started = pd.to_datetime(results.runs["started"], utc=True)
    registered, early = pd.Timestamp(REGISTERED_AT), int((started < pd.Timestamp(REGISTERED_AT)).sum())
    when = f"{early} of {len(started)} runs started before it" if early else f"all {len(started)} runs started later"
    minutes = (started.min() - registered).total_seconds() / 60
    first = f", the first one {minutes:.0f} minutes later" if minutes < 120 and not early else ""
    return {"Claims registered (UTC)": f"{REGISTERED_AT:%Y-%m-%d %H:%M}; {when}{first}"}
