"""Damaged and hostile files: whatever stands in one, a reader returns, or refuses it in one printable line."""

import csv
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import files_of, tiny_run
from hostile import damaged, forged
from slotmachines import UserError
from slotpipeline.data import load
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.plain_yaml import parse_yaml
from slotpipeline.planning.plan import in_order, read_order
from slotpipeline.planning.worker import read_plan
from slotpipeline.results.collect import collect
from slotpipeline.results.read import read_curves, read_results, read_runs, read_selected
from slotpipeline.results.reference import read_reference
from slotpipeline.results.weight_histograms import histogram
from slotpipeline.runs.config import read_config
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.recipe import load_recipe
from slotpipeline.runs.run import finetuned
from slotpipeline.runs.run_files import RunFiles
from slotpipeline.runs.run_record import read_run_record
from slotpipeline.runs.run_time import read_seconds, read_step_times
from slotpipeline.training.train import UnfinishedRun
from synthetic import make_config, write_grid

PROJECT = Path(__file__).parents[1]
RUN = tiny_run(epochs=2)
# The same examples each time; SLOTMACHINES_FUZZ=1000 looks at so many, and other ones.
MANY = os.environ.get("SLOTMACHINES_FUZZ")
FEW = settings(
    max_examples=int(MANY or 25), derandomize=not MANY, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def accepted(read: Callable[..., Any], *arguments: Any) -> Any:
    """What a reader returns, or None where it refuses in one line."""
    try:
        return read(*arguments)
    except UserError as error:
        assert str(error) and str(error).isprintable(), error
    return None


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits_folder) -> Path:
    """A grid's folder of results with one finished run, and a checkpoint of it after its first epoch."""
    results = tmp_path_factory.mktemp("results")
    unfinished = begun(results / "runs" / RUN.folder, results / "run.pt", digits_folder)
    for epoch in (1, 2):
        unfinished.record(unfinished.trainer.train_epoch(epoch))
        if epoch == 1:
            unfinished.save_sometimes(at_once=True)
            content = (results / "run.pt").read_bytes()
    unfinished.finish()
    (results / "run.pt").write_bytes(content)
    return results


def begun(folder: Path, checkpoint: Path, digits_folder: Path) -> UnfinishedRun:
    return UnfinishedRun(
        RUN, load("digits", digits_folder, (1, 28, 28), RUN.settings.validation),
        folder=folder, checkpoint=checkpoint, start_weights=None, keep_epochs=(), cuda_graph=False,
        origin={"commit": "abc", "device": "cpu", "processor": "x", "python": "3", "torch": "2"},
    )  # fmt: skip


@pytest.fixture
def folder(trained) -> Path:
    return trained / "runs" / RUN.folder


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    return write_grid(tmp_path_factory.mktemp("grid"), make_config({"lenet": "mnist"}, seeds=2))


class Changed:
    """A file whose content is another one for a while."""

    def __init__(self, path: Path, content: bytes):
        self.path, self.content = path, content

    def __enter__(self) -> Path:
        self.before = self.path.read_bytes()
        self.path.write_bytes(self.content)
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.before)


# The files of a run


@FEW
@given(st.data())
def test_damaged_files_of_a_run(trained, folder, data):
    name = data.draw(st.sampled_from(sorted(files_of(folder))))
    before = files_of(trained)
    with Changed(folder / name, data.draw(damaged((folder / name).read_bytes()))):
        accepted(read_run_record, RunFiles(folder))
        accepted(histogram, RunFiles(folder), RUN)
        if accepted(collect, [RUN], [RUN], trained) is None:
            assert files_of(trained) == before  # nothing was written
    for name in files_of(trained) - before:
        (trained / name).unlink()


@FEW
@given(st.data())
def test_metrics_with_something_else_in_a_place(trained, folder, data):
    """What is accepted can be gathered, and read again."""
    text = json.dumps(data.draw(forged(json.loads((folder / "metrics.json").read_text()))))
    with Changed(folder / "metrics.json", text.encode()):
        if accepted(collect, [RUN], [RUN], trained) is not None:
            read_runs(trained / "runs.csv")
            read_curves(trained / "curves.csv.gz")
            read_selected(trained / "selected_weights.csv")
    for name in ("runs.csv", "curves.csv.gz", "selected_weights.csv"):
        (trained / name).unlink(missing_ok=True)


# Checkpoints


@FEW
@given(st.data())
def test_damaged_checkpoints(trained, tmp_path, digits_folder, data):
    """Each change is noticed: a bit in the wrong place would be a wrong result."""
    content = (trained / "run.pt").read_bytes()
    wrong = data.draw(damaged(content).filter(lambda changed: changed != content))
    (tmp_path / "run.pt").write_bytes(wrong)
    resumed = accepted(begun, tmp_path / "run", tmp_path / "run.pt", digits_folder)
    if resumed is not None:  # bytes between the entries of the archive mean nothing
        state, own = torch.load(trained / "run.pt"), resumed.trainer.state().network
        assert all(torch.equal(own[name], state["network"][name]) for name in own)


@FEW
@given(st.data())
def test_checkpoints_with_something_else_in_a_place(trained, tmp_path, digits_folder, data):
    """What is accepted trains to the end, and writes its files."""
    state = torch.load(trained / "run.pt", weights_only=True)
    torch.save(data.draw(forged(state)), tmp_path / "run.pt")
    resumed = accepted(begun, tmp_path / "run", tmp_path / "run.pt", digits_folder)
    if resumed is not None:
        with suppress(UserError):
            for epoch in resumed.epochs_left:
                resumed.record(resumed.trainer.train_epoch(epoch))
            resumed.finish()
            read_run_record(RunFiles(tmp_path / "run"))


def test_a_checkpoint_of_another_optimiser_is_refused(trained, tmp_path, digits_folder):
    state = torch.load(trained / "run.pt", weights_only=True)
    kept = state["optimiser"]["state"]
    kept[0] = {"exp_avg": kept[0]["momentum_buffer"]}
    torch.save(state, tmp_path / "run.pt")
    with pytest.raises(UserError, match=r"does not fit this run \(the state of the optimiser is not that of sgd\)"):
        begun(tmp_path / "run", tmp_path / "run.pt", digits_folder)


@FEW
@given(st.data())
def test_damaged_weights_to_start_from(trained, folder, tmp_path, digits_folder, data):
    weights = folder / "weights" / "best.safetensors"
    tuned = finetuned(RUN, 1)
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(data.draw(damaged(weights.read_bytes())))
    splits = load("digits", digits_folder, (1, 28, 28), RUN.settings.validation)
    accepted(
        lambda: UnfinishedRun(
            tuned, splits, folder=tmp_path / "run", checkpoint=tmp_path / "run.pt", start_weights=wrong,
            keep_epochs=(), cuda_graph=False, origin={},
        )
    )  # fmt: skip


# The tables of a grid


TABLES: dict[str, Callable[[Path], Any]] = {
    "runs.csv": read_runs,
    "curves.csv.gz": read_curves,
    "selected_weights.csv": read_selected,
    "config/reference.csv": read_reference,
    "config/seconds_per_epoch.csv": read_seconds,
    "config/flops_per_step.csv": read_flops,
    "results/benchmark/measurements.csv": read_step_times,
}


@pytest.mark.parametrize("name", TABLES)
@FEW
@given(data=st.data())
def test_damaged_tables(grid, tmp_path, name, data):
    content = (PROJECT / name if "/" in name else grid / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(data.draw(damaged(content[:20_000])))
    accepted(TABLES[name], path)


@FEW
@given(st.data())
def test_runs_with_something_else_in_a_place(grid, data):
    """What is accepted becomes a table."""
    rows = list(csv.reader(io.StringIO((grid / "runs.csv").read_text())))
    row, column = data.draw(st.integers(1, len(rows) - 1)), data.draw(st.integers(0, len(rows[0]) - 1))
    rows[row][column] = data.draw(st.sampled_from(["", "x", "-1", "nan", "inf", "1e400", "\x1b[2J", "101", "2.5"]))
    changed = io.StringIO()
    csv.writer(changed).writerows(rows)
    with Changed(grid / "runs.csv", changed.getvalue().encode()):
        results = accepted(read_results, grid, PROJECT / "config" / "reference.csv")
        if results is not None:
            accepted(experiment_results, results, data.draw(st.sampled_from(list(EXPERIMENTS))))


# What users write


GRID = read_config(PROJECT / "config" / "smoke.yaml")
ORDER = yaml.safe_load((PROJECT / "config" / "orders" / "gpu.yaml").read_text())
RECIPE = yaml.safe_load((PROJECT / "src" / "slotpipeline" / "recipes" / "code.yaml").read_text())


@FEW
@given(forged(GRID))
def test_configs_with_something_else_in_a_place(config):
    """What is accepted can be planned, or is refused in one line then, and never leaves its folder."""
    checked = accepted(checked_config, config)
    runs = checked and accepted(grid_runs, checked)
    for run in runs or []:
        assert ".." not in Path(run.folder).parts and not Path(run.folder).is_absolute()


@FEW
@given(st.data())
def test_other_files_that_users_write(tmp_path, data):
    path = tmp_path / "file.yaml"
    content = data.draw(st.sampled_from([GRID, ORDER, RECIPE]))
    text = yaml.safe_dump(data.draw(forged(content)), allow_unicode=True).encode()
    path.write_bytes(data.draw(st.one_of(st.just(text), damaged(text))))
    grid = accepted(read_config, path)
    if grid is not None:
        accepted(checked_config, grid)
    order = accepted(read_order, path)
    if order is not None:
        accepted(in_order, checked_config(GRID), order)
    recipe = accepted(load_recipe, str(path))
    if recipe is not None:
        run = {"network": "lenet", "dataset": "digits", "method": "greedy", "options": 8}
        accepted(lambda: recipe.resolve(**run))
    accepted(read_plan, path.read_bytes().decode(errors="replace").splitlines(), "the plan")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "too many values, or nests them too deeply"),
        (
            "".join(f"a{i}: &a{i} [{', '.join(9 * [f'*a{i - 1}'] if i else ['1'])}]\n" for i in range(9)),
            "too many values, or nests",
        ),
        ("[" * 5000, "is not valid YAML"),
        ("a: .nan", "nan is not finite"),
        ("1: a", "the key 1 is not text"),
        ("when: 2001-99-99", "is not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "is not valid YAML"),
    ],
    ids=["endless", "huge", "deep", "NaN", "key", "date", "code"],
)
def test_yaml_that_nobody_means(text, message):
    with pytest.raises(UserError, match=message) as refusal:
        parse_yaml(text, "the file")
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", ["../up", "/etc", "a/b", "A", "", ".", "x" * 300])
def test_names_of_grids_that_are_paths(name):
    with pytest.raises(UserError, match="config: grid: "):
        checked_config({**GRID, "grid": name})
