"""What the status command says of a grid whose files are current, out of date or missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotmachines.methods import METHODS
from slotpipeline.cli import app
from slotpipeline.experiments import accuracy_by_options
from slotpipeline.experiments.grid import experiment_runs, planned
from slotpipeline.experiments.outcomes import experiment_results, grid_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.drawing import Drawing, save
from slotpipeline.reporting.file_states import State, states_of
from slotpipeline.reporting.report import write_report
from slotpipeline.reporting.sources import OVERVIEWS, figure_digest, overview_digests
from slotpipeline.reporting.status import grid_status, status_of
from slotpipeline.reporting.summary import write_summary
from slotpipeline.reporting.table_files import markdown_page, write_table
from slotpipeline.results.read import Results, read_results
from slotpipeline.runs.run_files import checkpoint_of, failure_note, run_files
from slotpipeline.runs.run_time import estimated_hours, read_seconds, time_text
from synthetic import REFERENCE, make_config, make_results, write_grid

CONFIG = make_config({"lenet": "mnist"}, experiments=["k-sweep", "selection"])
SECONDS, EPOCHS = REFERENCE.parent / "seconds_per_epoch.csv", REFERENCE.parents[1] / "results/benchmark/epochs.csv"
MEASURED = read_seconds(SECONDS)


def build(results: Results, folder: Path, figures: Path) -> None:
    """The tables, figures, summary and report of a grid, the figures without a picture in them."""
    for name in results.config["experiments"]:
        write_table(results, name, folder / "tables")
    draw(results, figures, *results.config["experiments"], *OVERVIEWS)
    write_summary(results, folder / "summary.json")
    write_report(results, figures, folder / "report.html")


def draw(results: Results, figures: Path, *names: str) -> None:
    """Figures that have nothing but what they were made from."""
    experiments = results.config["experiments"]
    sources = {name: figure_digest(results, name, experiment_results(results, name)) for name in experiments}
    sources |= overview_digests(grid_results(results), sources)
    for name in names:
        save(Drawing(Figure(figsize=(1, 1)), name, ""), figures / f"{name}.png", sources[name])


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of results and figures of a finished grid."""
    folder, figures = write_grid(tmp_path / "results/synthetic", CONFIG), tmp_path / "figures/synthetic"
    build(read_results(folder, REFERENCE), folder, figures)
    return folder, figures


def stand(places: tuple[Path, Path], config: dict[str, Any] = CONFIG) -> dict[str, tuple[str, str, int, int]]:
    """Experiment -> table, figure, runs recorded, runs to do."""
    folder, figures = places
    there = replace(read_results(folder, REFERENCE), config=config)
    states = states_of(there, grid_results(there), folder, figures)
    standings = grid_status(planned(config), there, states, folder, figures)
    return {one.experiment: (one.table, one.figure, one.recorded, len(one.to_do)) for one in standings}


def text(places: tuple[Path, Path], config: dict[str, Any] = CONFIG) -> str:
    return str(status_of(config, *places, REFERENCE, SECONDS, EPOCHS))


def test_a_finished_grid_has_nothing_to_do(places: tuple[Path, Path]) -> None:
    assert stand(places) == {
        "k-sweep": (State.CURRENT, State.CURRENT, 15, 0),
        "selection": (State.CURRENT, State.CURRENT, 24, 0),
    }
    said = text(places)
    assert "report: current; summary.json: current; curves.png: current; published-numbers.png: current.\n" in said
    assert "Each run counts once: 27 of 27 are finished, 0 to do." in said
    assert "hours" not in said and "minutes" not in said


def test_another_result_makes_only_what_uses_it_stale(places: tuple[Path, Path]) -> None:
    path = places[0] / "runs.csv"
    runs = pd.read_csv(path, dtype={"identity": str})
    runs.loc[runs["method"] == "probabilistic", "test_accuracy"] -= 1
    runs.to_csv(path, index=False)
    assert stand(places)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
    assert stand(places)["selection"][:2] == (State.STALE, State.STALE)
    said = text(places)
    assert "report: stale; summary.json: stale; curves.png: stale" in said
    assert "table is out of date; figure is out of date" in said


def test_other_curves_make_the_figures_of_their_runs_stale_and_the_report_with_them(places: tuple[Path, Path]) -> None:
    folder, figures = places
    curves = pd.read_csv(folder / "curves.csv.gz", dtype={"identity": str})
    runs = pd.read_csv(folder / "runs.csv", dtype={"identity": str})
    chosen = curves["identity"].isin(runs.loc[runs["method"] == "probabilistic", "identity"])
    curves.loc[chosen, "val_accuracy"] -= 1
    curves.to_csv(folder / "curves.csv.gz", index=False)
    assert stand(places)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
    assert stand(places)["selection"][:2] == (State.CURRENT, State.STALE)
    assert "report: stale; summary.json: current; curves.png: stale" in text(places)
    results = read_results(folder, REFERENCE)
    draw(results, figures, "selection", "curves")
    assert "report: stale; summary.json: current; curves.png: current" in text(places)  # it shows the old pictures
    write_report(results, figures, folder / "report.html")
    assert "report: current; summary.json: current; curves.png: current" in text(places)


def test_the_cost_is_that_of_what_was_measured_beforehand(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("config/flops_per_step.csv", "results/benchmark/measurements.csv"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REFERENCE.parents[1] / name, project / name)
    results = replace(make_results(make_config({"lenet": "mnist"}, experiments=["cost", "churn"])), project=project)
    before = {name: figure_digest(results, name, experiment_results(results, name)) for name in ("cost", "churn")}
    with (project / "config/flops_per_step.csv").open("a") as file:
        file.write("lenet9,,1,1,1,,\n")
    after = {name: figure_digest(results, name, experiment_results(results, name)) for name in ("cost", "churn")}
    assert after["cost"] != before["cost"] and after["churn"] == before["churn"]


def test_without_step_times_only_the_cost_is_out_of_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = Path(shutil.copy(REFERENCE.parents[1] / accuracy_by_options.STEP_TIMES_CSV, tmp_path))
    monkeypatch.setattr(accuracy_by_options, "STEP_TIMES_CSV", times)
    config = make_config({"lenet": "mnist"}, experiments=["k-sweep", "cost"])
    folder = write_grid(tmp_path / "results/synthetic", config)
    for name in config["experiments"]:
        write_table(read_results(folder, REFERENCE), name, folder / "tables")
    for cost in (State.CURRENT, State.STALE):
        found = stand((folder, tmp_path / "figures"), config)
        assert (found["k-sweep"][0], found["cost"][0]) == (State.CURRENT, cost)
        times.unlink(missing_ok=True)


def test_a_change_of_what_a_method_is_said_to_store_makes_table_figure_and_report_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config({"lenet": "mnist"}, experiments=["k-sweep", "bits"])
    places = write_grid(tmp_path / "results/synthetic", config), tmp_path / "figures/synthetic"
    build(read_results(places[0], REFERENCE), *places)
    assert "report: current" in text(places, config)
    # As if somebody changed slotmachines.methods._of_mask.
    more = replace(METHODS["edge_popup"], bits=lambda options, altered: 2.0)
    monkeypatch.setitem(METHODS, "edge_popup", more)
    assert stand(places, config)["bits"][:2] == (State.STALE, State.STALE)
    assert stand(places, config)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
    for name in config["experiments"]:
        write_table(read_results(places[0], REFERENCE), name, places[0] / "tables")
    draw(read_results(places[0], REFERENCE), places[1], "bits")
    assert "report: stale" in text(places, config)


def test_other_sentences_make_the_report_stale_and_no_figure(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(EXPERIMENTS["k-sweep"], sentences=lambda here: ["something else"])
    monkeypatch.setitem(EXPERIMENTS, "k-sweep", other)
    assert stand(places)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
    assert "report: stale; summary.json: current; curves.png: current" in text(places)


def test_published_numbers_may_be_anywhere(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist"}, experiments=["cost"])
    folder = write_grid(tmp_path / "results/synthetic", config)
    reference = shutil.copy(REFERENCE, tmp_path / "elsewhere.csv")
    results = [read_results(folder, path) for path in (REFERENCE, reference)]
    written = [markdown_page(one, "cost", experiment_results(one, "cost")) for one in results]
    assert written[0] == written[1]


def test_other_histograms_are_other_figures() -> None:
    results = make_results(make_config({"lenet": "mnist"}, experiments=["selected-weights", "churn"]))
    table = experiment_results(results, "selected-weights")
    changed = replace(results, selected=results.selected.assign(count=7))
    digests = {figure_digest(one, "selected-weights", table) for one in (results, changed, results)}
    assert len(digests) == 2


def test_more_seeds_are_runs_to_do_and_cost_hours(places: tuple[Path, Path]) -> None:
    more = CONFIG | {"seeds": [0, 1, 2, 3]}
    assert stand(places, more)["k-sweep"][2:] == (15, 5)
    assert stand(places, more)["selection"][2:] == (24, 8)
    said = text(places, more)
    assert "27 of 36 are finished, 9 to do, about" in said  # four greedy cells are in both
    assert "5 runs are to do" in said


def test_a_run_that_failed_is_named_with_its_reason_also_in_the_report(places: tuple[Path, Path]) -> None:
    folder, figures = places
    config = CONFIG | {"seeds": [0, 1, 2, 3]}
    run = next(run for run in planned(config)["k-sweep"] if run.seed == 3)
    note = failure_note(checkpoint_of(run, folder))
    note.parent.mkdir(parents=True)
    note.write_text("its loss became infinite or NaN")
    said = text(places, config)
    assert f"failed: {run.folder}: its loss became infinite or NaN" in said and "1 of them failed" in said
    write_report(replace(read_results(folder, REFERENCE), config=config), figures, folder / "report.html")
    assert f"{run.folder}: its loss became infinite or NaN" in (folder / "report.html").read_text()
    assert "failed" not in text(places)  # the grid of three seeds does not plan it


def test_slot_machines_that_did_not_keep_what_is_needed_are_to_be_trained_again(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist"}, experiments=["finetune", "k-sweep"])
    folder = write_grid(tmp_path / "results/synthetic", config)
    places = folder, tmp_path / "figures/synthetic"
    assert "again" not in text(places, config)
    finetuned = [run for run in planned(config)["finetune"] if run.parent is not None]
    runs = pd.read_csv(folder / "runs.csv", dtype={"identity": str})
    runs[runs["identity"] != finetuned[0].identity].to_csv(folder / "runs.csv", index=False)
    said = text(places, config)
    assert "1 run is to do; 1 slot machine is to be trained again, to start from" in said
    assert ", 1 to do, 1 to be trained again, about " in said
    parent = finetuned[0].parent
    assert parent is not None
    time = time_text([finetuned[0], parent], MEASURED)
    assert f"1 to be trained again, {time}" in said and f"1 ({time})" in said
    assert estimated_hours([finetuned[0], parent], MEASURED) > 1.2 * estimated_hours([finetuned[0]], MEASURED)
    weights = run_files(parent, folder).epoch_weights(finetuned[0].start_epoch)
    weights.parent.mkdir(parents=True)
    weights.touch()
    said = text(places, config)
    assert f", 1 to do, {time_text([finetuned[0]], MEASURED)}" in said and "again" not in said


def test_a_network_that_was_not_measured_has_an_unknown_time(tmp_path: Path) -> None:
    config = make_config({"lenet": "mnist", "resnet20": "cifar10"}, seeds=1, experiments=["k-sweep"])
    known = time_text([run for run in planned(config)["k-sweep"] if run.network == "lenet"], MEASURED)
    hours = f"{known} and unknown time for 5 of 10 runs"
    said = text((tmp_path / "results", tmp_path / "figures"), config)
    assert f"10 to do, {hours} (no epoch of resnet20 on cifar10, greedy, was measured; add it with: make m" in said
    assert f"10 ({hours})" in said


def test_finished_runs_that_were_not_collected_are_not_to_do(places: tuple[Path, Path]) -> None:
    more = CONFIG | {"seeds": [0, 1, 2, 3]}
    run = next(run for run in experiment_runs(more, "k-sweep") if run.seed == 3 and run.options == 4)
    (places[0] / "runs" / run.folder).mkdir(parents=True)
    (places[0] / "runs" / run.folder / "metrics.json").write_text("{}")
    assert stand(places, more)["k-sweep"][2:] == (15, 4)
    assert "1 finished run is not collected" in text(places, more)


def test_missing_files_and_strange_runs_are_named(places: tuple[Path, Path]) -> None:
    (places[1] / "selection.png").unlink()
    (places[0] / "tables/k-sweep.md").unlink()
    with (places[0] / "tables/selection.md").open("a") as file:
        file.write("a remark\n")
    for path in (places[0] / "report.html", places[0] / "summary.json", places[1] / "curves.png"):
        path.unlink()
    assert [stand(places)[name][0] for name in ("k-sweep", "selection")] == [State.MISSING, State.STALE]
    (places[0] / "tables/selection.csv").unlink()
    assert stand(places)["selection"][0] == State.MISSING
    assert stand(places)["selection"][1] == State.MISSING
    fewer = CONFIG | {"seeds": [0, 1]}
    said = text(places, fewer)
    assert "report: missing; summary.json: missing; curves.png: missing" in said
    assert "runs.csv also holds 9 runs that this grid does not plan; collecting keeps them." in said


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    said = str(status_of(CONFIG, tmp_path / "results", tmp_path / "figures", REFERENCE, SECONDS, EPOCHS))
    assert "0 of 27 are finished, 27 to do" in said
    assert "table is missing; figure is missing" in said


def test_the_command(places: tuple[Path, Path], tmp_path: Path) -> None:
    folders = ["--results", str(places[0].parent), "--figures", str(places[1].parent)]
    answer = CliRunner().invoke(
        app,
        ["status", str(places[0] / "config.yaml"), *folders, "--reference", str(REFERENCE), "--seconds", str(SECONDS)],
    )
    assert answer.exit_code == 0, answer.output
    assert "27 of 27 are finished" in answer.output


def test_the_command_fills_in_defaults_and_checks_the_config(places: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["--results", str(places[0].parent), "--figures", str(places[1].parent), "--reference", str(REFERENCE)]
    short = {name: value for name, value in CONFIG.items() if name != "seeds"}
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(short))
    answer = CliRunner().invoke(app, ["status", str(tmp_path / "short.yaml"), *words])
    assert "27 of 45 are finished, 18 to do" in answer.output, answer.output  # five seeds by default
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(CONFIG | {"seeds": 3}))
    with pytest.raises(UserError, match=r"bad\.yaml: seeds: 3 is not of type 'array'"):
        CliRunner().invoke(app, ["status", str(tmp_path / "bad.yaml"), *words], catch_exceptions=False)


def test_results_from_before_the_histograms(places: tuple[Path, Path]) -> None:
    (places[0] / "selected_weights.csv").unlink()
    assert read_results(places[0], REFERENCE).selected.empty
    assert stand(places)["k-sweep"][:2] == (State.CURRENT, State.CURRENT)
