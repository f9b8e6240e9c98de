"""docs/promises.md names what is public: no more, and no less."""

import json
import re
from pathlib import Path

import pandas as pd

from slotpipeline import cli
from slotpipeline.reporting.tables import COLUMNS
from slotpipeline.runs.run_record import RUN_COLUMNS

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs/promises.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_each_public_verb_exists():
    (sentence,) = re.findall(r"the verbs (.*?), their options", section("What is public"), re.DOTALL)
    listed = re.findall(r"`([\w-]+)`", sentence)
    there = {verb.__name__.replace("_", "-") for verb in cli.TRAINING}
    assert len(listed) > 5 and set(listed) <= there


def test_each_file_and_column_that_is_named_exists():
    for name in re.findall(r"`((?:tests|config|docs)/[\w./]+)`", PAGE):
        assert (PROJECT / name).exists(), name
    for name in re.findall(r"\]\(([\w.-]+\.md)\)", PAGE):
        assert (PROJECT / "docs" / name).exists(), name
    recorded = {"data_note", "tf32", "wall_seconds", "processor", "device", "threads", "torch"}
    assert recorded <= set(RUN_COLUMNS) and all(f"`{name}`" in PAGE for name in recorded)
    assert "last_epoch_mean" in COLUMNS
    reference = pd.read_csv(PROJECT / "config/reference.csv", nrows=1)
    assert {"reading_uncertainty", "provenance"} <= set(reference)


def test_inexact_images_are_counted_as_the_runs_count_them():
    notes = pd.read_csv(PROJECT / "results/paper/runs.csv", keep_default_na=False)["data_note"]
    (note,) = set(notes) - {""}
    count, total = re.findall(r"[\d,]+", note)
    assert f"{count} of its {total} images" in PAGE


def test_the_archive_record_can_be_read_and_has_the_licence_of_the_project():
    record = json.loads((PROJECT / ".zenodo.json").read_text(encoding="utf-8"))
    assert record["license"] == "MIT" and (PROJECT / "LICENSE").read_text().startswith("MIT License")
    assert record["creators"] and record["upload_type"] == "software"
