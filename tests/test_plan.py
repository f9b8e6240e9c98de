"""A plan: the runs of a grid in order, and the worker that does them, up to a deadline and from where it stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from torch import nn
from typer.testing import CliRunner

from slotmachines import UserError, build_network
from slotpipeline.cli import app
from slotpipeline.data import fetch
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.experiments.grid import grid_runs, kept_epochs, planned
from slotpipeline.planning import worker
from slotpipeline.planning.engine import DENSE, engine_of, require_fit
from slotpipeline.planning.plan import Step, in_order, left_out, plan_lines, read_order
from slotpipeline.planning.worker import log_of, read_plan, work
from slotpipeline.runs.config import read_config
from slotpipeline.runs.to_do import runs_to_do, runs_to_train
from slotpipeline.training_verbs import job_of, train_one

PROJECT = Path(__file__).parents[1]
PAPER = checked_config(read_config(PROJECT / "config/paper.yaml"))
TINY = checked_config(
    {
        "grid": "tiny", "description": "d", "recipe": "paper-glorot", "networks": {"lenet": "digits"}, "seeds": [0, 1],
        "settings": {"lenet": {"epochs": 2, "schedule_epochs": []}}, "tolerance": {"digits": 1.0},
        "experiments": {
            "random-vs-selected": {"networks": ["lenet"], "options": [2]},
            "finetune": {"networks": ["lenet"], "options": [2], "start_epoch": 1},
        },
    }
)  # fmt: skip


def test_the_order_of_the_project_has_every_run_of_the_papers_grid_once():
    runs = in_order(PAPER, read_order(PROJECT / "config/orders/gpu.yaml"))
    assert len(runs) == len({run.identity for run in runs})
    assert {run.identity for run in runs} == {run.identity for run in grid_runs(PAPER)}
    places = {run.identity: number for number, run in enumerate(runs)}
    assert all(places[run.parent.identity] < places[run.identity] for run in runs if run.parent is not None)


def test_a_step_chooses_among_the_runs_of_its_experiments():
    (step,) = [Step(experiments=["k-sweep"], networks=["conv2"], options=[8, None], seeds=[3])]
    runs = in_order(PAPER, [step])
    assert [(run.network, run.method, run.options, run.seed) for run in runs] == [
        ("conv2", "greedy", 8, 3), ("conv2", "learned", None, 3),
    ]  # fmt: skip


def test_a_step_names_recipes_and_variants_in_their_order():
    variants = ["paper's augmentation", None, "paper's padding"]
    step = Step(["recipe-study"], ["conv6", "conv2"], ["greedy"], [8], [1], ["code"], variants)
    runs = in_order(PAPER, [step])
    assert [(run.network, run.recipe, list(run.changes), run.seed) for run in runs] == [
        (network, "code", changes, 1)
        for network in ("conv6", "conv2")
        for changes in (["augmentation"], [], ["network_settings"])
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {experiments: [speed]}", "the grid paper has no experiment 'speed'"),
        ("- {experiments: [cost], seeds: [9]}", "no run of cost has 9 among its seeds; use some of 0, 1, 2, 3, 4"),
        ("- {experiments: [k-sweep], variants: [flip]}", "has 'flip' among its variants; use some of null"),
        ("- {experiments: [k-sweep], recipes: [papers]}", "'papers' among its recipes; use some of 'paper-glorot'"),
        ("- {experiments: [k-sweep], methods: [learned], options: [2]}", "no run of k-sweep has all of {'methods'"),
        ("- {network: conv2}", "entry 1 of the list: unknown 'network'; use experiments, networks, methods, options"),
        ("{experiments: [k-sweep]}", "is not a list of steps"),
        ("- [", "is not valid YAML"),
        ("- {seeds: 3}", "entry 1 of the list: seeds cannot be '3'"),
    ],
)
def test_what_is_no_order_is_refused(tmp_path, text, message):
    path = tmp_path / "order.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        in_order(PAPER, read_order(path))


def test_a_plan_passes_the_engine_on():
    runs = in_order(PAPER, [Step(["k-sweep"], ["conv2"], seeds=[0])])
    engine = engine_of(["channels-last", "cudnn-benchmark"])
    lines = plan_lines(runs, {}, Path("results"), engine)
    assert {job_of(words).engine for words in read_plan(lines, "plan")} == {engine}
    assert not any("--engine" in line for line in plan_lines(runs, {}, Path("results")))


def test_a_plan_leaves_an_engine_out_of_runs_that_it_cannot_train():
    alike = {(run.network, run.method): run for run in grid_runs(PAPER) if run.network in ("lenet", "conv2")}
    runs = list(alike.values())
    for name in ("stacked", "branches", "compiled"):
        engine = engine_of([name])
        planned = [job_of(words) for words in read_plan(plan_lines(runs, {}, Path("results"), engine), "plan")]
        for job in planned:
            require_fit(job.run, job.engine)
        with_it = {job.run.method for job in planned if job.engine == engine}
        assert "greedy" in with_it and "edge_popup" not in with_it
        (line,) = left_out(runs, engine)
        assert f"{sum(job.engine != engine for job in planned)} of {len(runs)} runs" in line
    assert not left_out(runs, engine_of(["fused"]))
    answer = CliRunner().invoke(app, ["plan", "config/mnist.yaml", "--results", "none", "--engine", "stacked"])
    assert answer.exit_code == 0 and len(answer.stderr.splitlines()) == 1
    assert "stacked" in answer.stdout and "is left out" not in answer.stdout


def test_the_networks_that_may_be_stacked_are_dense_and_without_biases():
    for name in DENSE:
        layers = list(build_network(name))
        assert all(isinstance(one, nn.Flatten | nn.ReLU | nn.Linear) for one in layers)
        assert not any(isinstance(one, nn.Linear) and one.bias is not None for one in layers)


@pytest.mark.parametrize("line", ["rm -r results", "slotmachines fetch mnist", "slotmachines train --folder", "'"])
def test_what_is_no_plan_is_refused(line):
    with pytest.raises(UserError, match="is not a line of a plan; make it with: slotmachines plan"):
        read_plan([line], "plan.txt")


def test_an_option_that_is_no_option_is_one_line():
    with pytest.raises(UserError, match="slotmachines train --sed 3") as error:
        job_of(["slotmachines", "train", "--sed", "3"])
    assert str(error.value).isprintable()


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan of seven short runs in an empty project with the digits: two of them start from weights of others."""
    monkeypatch.chdir(tmp_path)
    fetch("digits", tmp_path / "data")
    runs = in_order(TINY, [Step(seeds=[0]), Step(experiments=["finetune"])])
    lines = plan_lines(runs, kept_epochs(grid_runs(TINY)), Path("results/tiny"))
    (tmp_path / "plan.txt").write_text("\n".join(lines))
    return tmp_path / "plan.txt"


def commands_of(plan: Path) -> list[list[str]]:
    return read_plan(plan.read_text().splitlines(), str(plan))


def test_the_order_of_the_main_table_has_its_runs_seed_by_seed():
    runs = in_order(PAPER, read_order(PROJECT / "config/orders/main-table.yaml"))
    wanted = [run for name in ("k-sweep", "selection") for run in planned(PAPER)[name]]
    assert {run.identity for run in runs} == {run.identity for run in wanted}
    seeds = [run.seed for run in runs]
    assert seeds == sorted(seeds)


def test_what_runs_of_a_plan_print_goes_where_watch_looks(plan):
    commands = commands_of(plan)
    log = log_of(commands)
    assert log.parent == Path("logs/tiny/train") and log.suffix == ".log"
    elsewhere = [word.replace("results/tiny/runs", "my runs") for word in commands[0]]
    assert log_of([elsewhere]).parent == log_of([]).parent == Path("logs")


@pytest.mark.slow
def test_a_plan_is_worked_at_and_what_is_finished_stays(plan, tmp_path):
    commands = commands_of(plan)
    assert len(commands) == 7
    log = tmp_path / "logs" / "work.log"
    assert commands[2][1] == "finetune"  # waits for the slot machine that it starts from, which takes longer to begin
    done = work(commands[:3], train_one, jobs=2, seconds=600, log=log)
    assert (done.before, done.now, done.failed, done.left) == (0, 3, 0, 0)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
    done = work(commands, train_one, jobs=1, seconds=600, log=log)
    assert (done.before, done.now, done.failed, done.left) == (3, 4, 0, 0)
    assert all(path.stat().st_mtime_ns == then for path, then in times.items())
    finetuned = next(words for words in commands if words[1] == "finetune")
    metrics = json.loads(Path(finetuned[finetuned.index("--folder") + 1], "metrics.json").read_text())
    assert (metrics["variant"], metrics["start_epoch"]) == ("finetuned", 1)


@pytest.mark.slow
def test_a_run_that_fails_keeps_no_other_from_running(plan, tmp_path):
    commands = commands_of(plan)[:2]
    commands[0] = [*commands[0], "--recipe", "none"]
    done = work(commands, train_one, jobs=1, seconds=600, log=tmp_path / "work.log")
    assert (done.now, done.failed, done.left) == (1, 1, 0)
    assert "unknown recipe 'none'" in (tmp_path / "work.log").read_text()


def killed_interrupted_or_finished(words: list[str]) -> None:
    """In the place of a training: what its folder is called after happens to the process."""
    folder = Path(words[-1])
    if folder.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if folder.name == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    folder.mkdir()
    (folder / "metrics.json").touch()


@pytest.mark.slow
def test_a_process_that_is_killed_costs_one_run_and_ctrl_c_is_left_to_the_first_process(tmp_path):
    names = ("finished", "killed", "interrupted", "last")
    commands = [["slotmachines", "train", "--folder", str(tmp_path / name)] for name in names]
    done = work(commands, killed_interrupted_or_finished, jobs=1, seconds=600, log=tmp_path / "work.log")
    assert (done.before, done.now, done.failed, done.left) == (0, 3, 1, 0)
    assert not (tmp_path / "killed").exists()


WITH_A_BAR = """
import signal, sys, time
from pathlib import Path
from tqdm import tqdm
from slotpipeline.command import one_line_errors
from slotpipeline.planning.worker import work

def train(words):
    folder = Path(words[-1])
    with tqdm(total=1) as bar:
        bar.update()
        folder.mkdir()
        time.sleep(600 if folder.name == "long" else 0)
    (folder / "metrics.json").touch()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in its background
    with one_line_errors("worker"):
        work([["slotmachines", "train", "--folder", sys.argv[1]]], train, jobs=1, seconds=600, log=Path("work.log"))
"""


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
def test_work_ends_without_a_warning_of_python(number, tmp_path):
    (tmp_path / "program.py").write_text(WITH_A_BAR)
    folder = tmp_path / ("long" if number else "short")
    command = [sys.executable, "program.py", folder.name]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while number and not folder.exists() and process.poll() is None:
            time.sleep(0.05)
        if number:
            process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == (128 + number if number else 0)
    assert "resource_tracker" not in said


@pytest.mark.slow
def test_at_the_deadline_a_run_stops_with_its_checkpoint(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_PATIENCE", 10.0)
    words = next(words for words in commands_of(plan) if "greedy" in words)
    words = [*words, "--set", "epochs=100000"]
    checkpoint = Path(words[words.index("--checkpoint") + 1])
    for seconds in (10, 20, 40, 80, 160):  # a busy machine needs some time to come to the first epoch
        done = work([words], train_one, jobs=1, seconds=seconds, log=tmp_path / "work.log")
        assert (done.before, done.now, done.failed, done.left) == (0, 0, 0, 1)
        if checkpoint.exists():
            break
    assert checkpoint.exists()
    log = (tmp_path / "work.log").read_text()
    assert "slotmachines: stopped by SIGTERM after epoch" in log and "Traceback" not in log


@pytest.mark.slow
def test_the_commands_plan_and_work(plan, tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    (tmp_path / "order.yaml").write_text("- {experiments: [random-vs-selected], methods: [random], seeds: [1]}")

    def call(*words: str) -> str:
        command = [sys.executable, "-m", "slotmachines", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (tmp_path / "one.txt").write_text(call("plan", "tiny.yaml", "order.yaml"))
    assert "1 runs finished, 0 were before, 0 are left" in call("work", "one.txt")
    assert not call("plan", "tiny.yaml", "order.yaml").strip()


def test_a_slot_machine_is_trained_again_right_before_what_starts_from_it(tmp_path):
    """Not where its own place in the order was: the runs that were put before others come first."""
    ordered = in_order(TINY, [Step(experiments=["finetune"], methods=["greedy"]), Step(methods=["random", "learned"])])
    parents = {run.parent.identity for run in ordered if run.parent is not None}
    to_do = [run for run in ordered if run.identity not in parents]
    assert runs_to_do(ordered, parents, tmp_path) == to_do
    found = runs_to_train(ordered, parents, tmp_path)
    assert [run for run in found if run.identity not in parents] == to_do and len(found) == len(ordered)
    assert all(found[place - 1] == run.parent for place, run in enumerate(found) if run.parent is not None)


@pytest.mark.slow
def test_a_plan_trains_a_slot_machine_again_if_its_weights_are_missing(plan, tmp_path, monkeypatch):
    """As after `git clone`, or where only small files were copied: finetuning could not start."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    Path("order.yaml").write_text("- {experiments: [finetune], methods: [greedy], seeds: [1]}")

    def call(*words: str) -> str:
        command = [sys.executable, "-m", "slotmachines", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    lines = call("plan", "tiny.yaml", "order.yaml")
    Path("plan.txt").write_text(lines)
    assert "2 runs finished, 0 were before" in call("work", "plan.txt")
    (kept,) = Path("results").glob("**/weights/epoch-1.safetensors")
    (finetuned,) = Path("results").glob("**/*-finetuned/*")
    kept.unlink()
    shutil.rmtree(finetuned)
    assert call("plan", "tiny.yaml", "order.yaml") == lines
    assert "2 runs finished, 0 were before" in call("work", "plan.txt")
    assert "0 runs finished, 2 were before" in call("work", "plan.txt")


def test_without_an_order_a_plan_has_every_run_in_the_order_of_the_grid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    answer = CliRunner().invoke(app, ["plan", "tiny.yaml"])
    assert answer.exit_code == 0
    runs = [job_of(words).run.identity for words in read_plan(answer.output.splitlines(), "the plan")]
    assert runs == [run.identity for run in grid_runs(TINY)]
