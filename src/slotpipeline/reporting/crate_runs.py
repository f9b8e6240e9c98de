"""What a crate says of the recorded runs: an action each, with what was trained, by which code, where and when."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from slotpipeline.analysis.text import network_title
from slotpipeline.reporting.crate_graph import Entity, Graph, slug
from slotpipeline.results.collect import CURVES_CSV, RUNS_CSV

COMPLETED = "http://schema.org/CompletedActionStatus"
_PARAMETERS = (
    "network", "method", "options", "variant", "parent", "recipe", "seed", "epochs", "start_epoch", "settings",
)  # fmt: skip
"""The columns of runs.csv that say what was trained."""
_MACHINE = ("device", "processor", "threads", "tf32")
"""Those that say where, but for the versions of its programs."""
_PROGRAMS = {
    "python": ("Python", "https://www.python.org"),
    "torch": ("PyTorch", "https://pytorch.org"),
    "cuda": ("CUDA", "https://developer.nvidia.com/cuda-toolkit"),
}


def run_action(graph: Graph, grid: str, row: Mapping[Any, Any]) -> Entity:
    text = {str(name): _text(value) for name, value in row.items()}
    known = [name for name in _PARAMETERS if text.get(name)]
    times = times_of(row)
    options = f", K = {text['options']}" if text.get("options") else ""
    parent = f"; it starts from the run {text['parent']}" if text.get("parent") else ""
    note = f"; {text['data_note']}" if text.get("data_note") else ""
    what = f"{network_title(text['dataset'], text['network'])}, {text.get('variant') or text['method']}{options}"
    machine = [graph.value(name, text[name]) for name in _MACHINE if text.get(name)]
    seconds = graph.add(
        f"#wall_seconds-{text['identity']}", "PropertyValue", name="wall_seconds", propertyID="wall_seconds",
        value=text["wall_seconds"], unitCode="SEC",
    )  # fmt: skip
    return graph.add(
        f"#run-{text['identity']}", "CreateAction", name=f"{what}, seed {text['seed']}",
        identifier=text["identity"], instrument=_trainer(graph, text),
        description=f"One training, the row {text['identity']} of runs.csv{parent}. "
        f"Test accuracy {text['test_accuracy']}% at epoch {text['best_epoch']}{note}.",
        startTime=times[0].isoformat() if times else "", endTime=times[1].isoformat() if times else "",
        actionStatus=COMPLETED,
        object=[{"@id": dataset_id(text["dataset"])}, *(graph.value(name, text[name]) for name in known)],
        result=[{"@id": f"results/{grid}/{name}"} for name in (RUNS_CSV, CURVES_CSV)],
        resourceUsage=[seconds, *machine],
    )  # fmt: skip


def _trainer(graph: Graph, text: Mapping[str, str]) -> Entity:
    """The project's command at one commit, on one set of versions."""
    programs = [
        graph.add(
            f"#{column}-{slug(text[column])}", "SoftwareApplication", name=name, url=url, softwareVersion=text[column]
        )
        for column, (name, url) in _PROGRAMS.items()
        if text.get(column)
    ]  # fmt: skip
    versions = "-".join([text["commit"], *(text.get(column, "") for column in _PROGRAMS)])
    return graph.add(
        f"#slotmachines-{hashlib.sha256(versions.encode()).hexdigest()[:8]}", "SoftwareApplication",
        name="slotmachines train", softwareVersion=text["commit"], softwareRequirements=programs,
        description="The version is the git commit of the source; -dirty: with changes that the commit does not hold.",
    )  # fmt: skip


def times_of(row: Mapping[Any, Any]) -> tuple[datetime, datetime] | None:
    """Start and end of a recorded run, UTC, to the second; None where the start is not known."""
    try:
        start = datetime.fromisoformat(str(row["started"])).astimezone(UTC).replace(microsecond=0)
        return start, start + timedelta(seconds=round(float(row["wall_seconds"])))
    except (KeyError, TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    """A field of runs.csv as text; blank where it is missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def dataset_id(name: str) -> str:
    return f"#dataset-{name}"
