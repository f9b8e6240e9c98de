"""The files of a table, and what cannot be read from files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from slotmachines.errors import UserError
from slotpipeline.experiments.outcomes import comparisons, experiment_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.table_files import write_table
from slotpipeline.reporting.tables import (
    CHOSEN,
    latex,
)
from slotpipeline.results.read import read_curves, read_results, read_runs
from slotpipeline.results.reference import read_reference
from synthetic import NOTE, REFERENCE, grid, make_config, make_results

__all__ = ["grid"]

CONFIG = make_config()
RESULTS = make_results(CONFIG)
RUNS = RESULTS.runs


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_tables_are_written_from_the_files_alone(grid: Path, tmp_path: Path, experiment: str) -> None:
    write_table(read_results(grid, REFERENCE), experiment, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{experiment}.{ending}" for ending in ("csv", "md", "tex")}
    back = pd.read_csv(tmp_path / f"{experiment}.csv", dtype={"variant": str, "identities": str}, keep_default_na=False)
    expected = experiment_results(RESULTS, experiment)
    assert back["variant"].tolist() == [one.cell.words for one in expected]
    means = pd.to_numeric(back["mean"]).tolist()
    assert means == pytest.approx([one.mean for one in expected], abs=1e-4, nan_ok=True)
    assert back["verdict"].tolist() == [one.verdict for one in expected]
    assert set(back["data_note"]) == {"", NOTE}
    assert back["paper_provenance"].tolist() == [one.paper.provenance if one.paper else "" for one in expected]
    assert back["identities"].str.split().map(tuple).tolist() == [one.identities for one in expected]
    text = (tmp_path / f"{experiment}.md").read_text(encoding="utf-8")
    assert NOTE in text
    assert ("p, corrected" in text) == bool(comparisons(experiment, expected))
    assert "1 of 3" in text or experiment not in ("k-sweep", "selection")


def test_an_identity_of_digits_is_not_read_as_a_number(tmp_path: Path) -> None:
    RUNS.iloc[:2].assign(identity=["00000001", "1234e567"]).to_csv(tmp_path / "runs.csv", index=False)
    assert read_runs(tmp_path / "runs.csv")["identity"].tolist() == ["00000001", "1234e567"]


def test_missing_and_damaged_results_are_one_clear_line(tmp_path: Path) -> None:
    first = "does not exist; run the grid first: snakemake --cores all --configfile config/mnist.yaml"
    for read in (read_runs, read_curves):
        with pytest.raises(UserError, match=first):
            read(tmp_path / "mnist" / "runs.csv")
    with pytest.raises(UserError, match="does not exist; give the table of the published numbers"):
        read_reference(tmp_path / "reference.csv")
    (tmp_path / "runs.csv").write_text("dataset,network\nmnist,lenet\n")
    with pytest.raises(UserError, match="lacks the columns method, options"):
        read_runs(tmp_path / "runs.csv")
    (tmp_path / "runs.csv").write_text("")
    with pytest.raises(UserError, match="cannot read"):
        read_runs(tmp_path / "runs.csv")


def test_a_table_in_latex_has_a_line_per_row_and_no_character_that_latex_would_take_for_a_command() -> None:
    rows = pd.DataFrame({"network": ["LeNet", "LeNet"], "95% interval": ["\N{MINUS SIGN}0.1 to 0.2", "\N{EN DASH}"],
                         "verdict": [f"above {CHOSEN}", "a_b & 5%"]})  # fmt: skip
    text = latex(rows)
    assert "network" not in text  # the same everywhere
    assert text.count(r"\\") == 3 and r"\toprule" in text and r"\begin{tabular}{rl}" in text
    assert r"95\% interval" in text and "$-$0.1 to 0.2" in text and r"a\_b \& 5\%" in text
    assert text.isascii()
