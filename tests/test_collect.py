"""The small result files of a grid: what they hold, what they keep, and that they are the same each time."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conftest import tiny_run
from slotmachines import UserError
from slotpipeline.results.collect import SELECTED_COLUMNS, Collected, collect, runs_to_collect
from slotpipeline.results.weight_histograms import BINS
from slotpipeline.runs.csv_tables import read_table
from slotpipeline.runs.run import Run, finetuned
from slotpipeline.runs.run_files import run_files
from slotpipeline.runs.run_record import CURVE_COLUMNS, GPU_COLUMNS, RUN_COLUMNS, SAMPLED_COLUMNS
from slotpipeline.training.train import train_run

GREEDY = tiny_run()
WRITTEN = tuple(name for name in CURVE_COLUMNS if name not in SAMPLED_COLUMNS)  # where no run measured what it samples
RUNS = [GREEDY, finetuned(GREEDY, 2), tiny_run("random"), tiny_run("learned"), tiny_run("probabilistic")]
FILES = ("runs.csv", "curves.csv.gz", "selected_weights.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, digits_folder) -> Path:
    """Results with the folders of all runs but the last, which has not been trained."""
    results = tmp_path_factory.mktemp("finished")
    for run in RUNS[:-1]:
        weights = results / "runs" / GREEDY.folder / "weights/epoch-2.safetensors" if run.parent else None
        train_run(
            run, folder=results / "runs" / run.folder, checkpoint=results / "checkpoint.pt", data_folder=digits_folder,
            keep_epochs=(2,) if run is GREEDY else (), start_weights=weights, show_progress=False,
        )  # fmt: skip
    return results


@pytest.fixture
def results(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "results")


def gather(results: Path, runs: list[Run] = RUNS, counted: list[Run] = [GREEDY]) -> Collected:  # noqa: B006
    return collect(runs, counted, results)


def rows_of(results: Path) -> dict[str, dict[str, str]]:
    """Identity -> row of runs.csv, as text."""
    with (results / "runs.csv").open(newline="") as lines:
        return {row["identity"]: row for row in csv.DictReader(lines)}


def content(results: Path) -> list[bytes]:
    return [(results / name).read_bytes() for name in FILES]


def metrics_of(results: Path, run: Run) -> dict:
    return json.loads((results / "runs" / run.folder / "metrics.json").read_text())


def test_finished_runs_are_gathered_and_unfinished_ones_are_not_missed(results):
    assert gather(results) == Collected(4, 0, [])
    rows = rows_of(results)
    assert list(rows) == [run.identity for run in (GREEDY, RUNS[1], RUNS[3], RUNS[2])]  # by method, plain ones first
    assert tuple(rows[GREEDY.identity]) == tuple(name for name in RUN_COLUMNS if name not in GPU_COLUMNS)
    for run in RUNS[:-1]:
        row, metrics = rows[run.identity], metrics_of(results, run)
        assert float(row["test_accuracy"]) == pytest.approx(metrics["test_accuracy"], rel=1e-5)
        assert (row["method"], row["commit"], row["started"]) == (run.method, metrics["commit"], metrics["started"])
        assert json.loads(row["settings"]).get("epochs") == run.settings.epochs
    assert [rows[run.identity]["options"] for run in RUNS[:-1]] == ["4", "4", "", ""]
    assert (rows[RUNS[1].identity]["start_epoch"], rows[RUNS[1].identity]["parent"]) == ("2", GREEDY.identity)


def test_curves_of_all_epochs(results):
    gather(results)
    curves = pd.read_csv(results / "curves.csv.gz", dtype={"identity": str})
    assert tuple(curves) == WRITTEN
    epochs = {str(identity): list(part["epoch"]) for identity, part in curves.groupby("identity")}
    assert epochs == {GREEDY.identity: [1, 2, 3, 4], RUNS[1].identity: [3, 4], RUNS[3].identity: [1, 2, 3, 4]}


def test_histograms_of_the_runs_that_are_asked_for(results):
    gather(results)
    selected = pd.read_csv(results / "selected_weights.csv", dtype={"identity": str})
    assert tuple(selected) == SELECTED_COLUMNS
    assert set(selected["identity"]) == {GREEDY.identity}
    assert list(selected.groupby("layer", sort=False)["count"].sum()) == [784 * 300, 300 * 100, 100 * 10]
    assert len(selected) == 3 * BINS


def test_a_second_time_gives_the_same_bytes(results):
    gather(results)
    before = content(results)
    gather(results)
    assert content(results) == before
    gather(results, RUNS[::-1])
    assert content(results) == before


def test_what_only_runs_on_a_gpu_know_is_a_column_once_there_is_such_a_run(results):
    gather(results)
    assert "share_seconds" not in pd.read_csv(results / "runs.csv")
    files = run_files(GREEDY, results)
    files.metrics.write_text(json.dumps(json.loads(files.metrics.read_text()) | {"share_seconds": 4.5}))
    gather(results)
    before = content(results)
    shares = pd.read_csv(results / "runs.csv", dtype={"identity": str}).set_index("identity")["share_seconds"]
    assert shares[GREEDY.identity] == 4.5 and shares.drop(GREEDY.identity).isna().all()
    shutil.rmtree(files.folder)
    gather(results)
    assert content(results) == before


def test_the_same_runs_elsewhere_give_the_same_bytes(results, tmp_path):
    shutil.copytree(results, tmp_path / "copy")
    for folder in (results, tmp_path / "copy"):
        gather(folder)
    assert content(results) == content(tmp_path / "copy")


@pytest.mark.parametrize("gone", [RUNS[:-1], RUNS[:1], RUNS[1:3]])
def test_runs_whose_folders_are_not_here_stay_as_they_are(results, gone):
    gather(results)
    before = content(results)
    for run in gone:
        shutil.rmtree(results / "runs" / run.folder)
    assert gather(results) == Collected(4, 0, [])
    assert content(results) == before


def test_a_folder_that_was_brought_over_is_taken_beside_runs_without_one(results, tmp_path):
    gather(results)
    whole = content(results)
    random = RUNS[2]
    for name in FILES:
        (results / name).unlink()
    shutil.move(results / "runs" / random.folder, tmp_path / "elsewhere")
    gather(results)
    assert random.identity not in rows_of(results)
    shutil.rmtree(results / "runs" / GREEDY.folder)
    shutil.move(tmp_path / "elsewhere", results / "runs" / random.folder)
    assert gather(results) == Collected(4, 0, [])
    assert content(results) == whole


def test_the_folder_wins_over_the_row(results):
    gather(results)
    changed = metrics_of(results, GREEDY) | {"commit": "trained again", "test_accuracy": 12.5}
    (results / "runs" / GREEDY.folder / "metrics.json").write_text(json.dumps(changed))
    assert gather(results) == Collected(4, 0, [])
    row = rows_of(results)[GREEDY.identity]
    assert (row["commit"], row["test_accuracy"]) == ("trained again", "12.5")


def test_what_the_small_files_lack_or_hold_from_an_earlier_training_is_to_be_collected(results):
    def lacking():
        return {run.identity for run in runs_to_collect(RUNS, [GREEDY], results)}

    assert lacking() == {run.identity for run in RUNS if (results / "runs" / run.folder / "metrics.json").is_file()}
    gather(results)
    assert lacking() == set()
    changed = metrics_of(results, GREEDY) | {"started": "2026-11-27T23:50:45+00:00"}
    (results / "runs" / GREEDY.folder / "metrics.json").write_text(json.dumps(changed))
    assert lacking() == {GREEDY.identity}
    gather(results)
    assert lacking() == set()
    (results / "selected_weights.csv").write_text("identity,layer,bin,count\n")
    assert lacking() == {GREEDY.identity}


def test_rows_of_runs_that_are_no_longer_planned_stay_below_the_others(results):
    gather(results)
    kept = [pd.read_csv(results / name, dtype={"identity": str}) for name in FILES]
    shutil.rmtree(results / "runs" / GREEDY.folder)
    assert gather(results, RUNS[2:]) == Collected(2, 2, [])
    assert list(rows_of(results)) == [run.identity for run in (RUNS[3], RUNS[2], GREEDY, RUNS[1])]
    for name, before in zip(FILES, kept, strict=True):
        after = pd.read_csv(results / name, dtype={"identity": str})
        for identity, part in before.groupby("identity"):
            assert after[after["identity"] == identity].to_csv(index=False) == part.to_csv(index=False)
        assert len(after) == len(before)
    whole = content(results)
    gather(results, RUNS[2:], [])
    assert content(results) == whole


def test_a_run_without_weights_is_gathered_without_a_new_histogram(results):
    folder = results / "runs" / GREEDY.folder
    (folder / "weights").rename(results / "weights")
    assert gather(results) == Collected(4, 0, [folder])
    assert pd.read_csv(results / "selected_weights.csv").empty
    (results / "weights").rename(folder / "weights")
    assert gather(results) == Collected(4, 0, [])
    whole = content(results)
    shutil.rmtree(folder / "weights")
    assert gather(results) == Collected(4, 0, [folder])
    assert content(results) == whole


def test_without_any_run_there_are_empty_tables(tmp_path):
    assert gather(tmp_path) == Collected(0, 0, [])
    for name, columns in zip(FILES, (RUN_COLUMNS, WRITTEN, SELECTED_COLUMNS), strict=True):
        assert tuple(read_table(tmp_path / name, columns, "")) == columns
    before = content(tmp_path)
    gather(tmp_path)
    assert content(tmp_path) == before


def test_untrained_networks_alone_and_results_of_older_versions(results):
    random = RUNS[2]
    older = {name: value for name, value in metrics_of(results, random).items() if name != "cuda"} | {"tf32": False}
    del older["settings"]["sharing"]
    (results / "runs" / random.folder / "metrics.json").write_text(json.dumps(older))
    assert gather(results, [random], []) == Collected(1, 0, [])
    assert gzip.decompress((results / "curves.csv.gz").read_bytes()).decode() == ",".join(WRITTEN) + "\n"
    row = rows_of(results)[random.identity]
    assert (row["tf32"], row["cuda"]) == ("", "") and "sharing" not in row["settings"]


DAMAGE = {
    "metrics.json": [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"identity": "0"}', b'{"settings": 1}'],
    "curve.csv": [None, b'epoch,x\n1,2,3\n"', b"\xff\xfe"],
    "weights/best.safetensors": [None, b"", b"no weights"],
}


@pytest.mark.parametrize(("file", "damage"), [(file, damage) for file in DAMAGE for damage in DAMAGE[file]])
def test_a_damaged_run_is_one_line_and_changes_nothing(results, file, damage):
    gather(results)
    before = content(results)
    path = results / "runs" / GREEDY.folder / file
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(
        UserError, match=rf"cannot read the run .*{GREEDY.folder}.*; delete the folder and, .* runs.csv to"
    ) as error:
        gather(results)
    assert "\n" not in str(error.value)
    assert content(results) == before


def test_the_files_of_another_run_are_refused(results):
    shutil.rmtree(results / "runs" / GREEDY.folder)
    shutil.copytree(results / "runs" / RUNS[3].folder, results / "runs" / GREEDY.folder)
    with pytest.raises(
        UserError, match=f"it is of the run {RUNS[3].identity}, not {GREEDY.identity}; delete the folder"
    ):
        gather(results)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("cut", [0, 30])
def test_a_damaged_table_is_one_line(results, file, cut):
    gather(results)
    path = results / file
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] if cut == 0 or file.endswith(".gz") else b"\xff" + whole)
    with pytest.raises(UserError, match=rf"cannot read .*{file} \(.*\); restore it") as error:
        gather(results)
    assert "\n" not in str(error.value)


def test_a_damaged_archive_is_one_line(results):
    gather(results)
    path = results / "curves.csv.gz"
    damaged = bytearray(path.read_bytes())
    for position in range(20, 60):
        damaged[position] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="restore it"):
        gather(results)
