"""The benchmark: what is compared, what a measurement contains, and the tables and the figure that are made of it."""

from __future__ import annotations

import math
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from benchmarks.batches import fetched_dataset, fresh_batches
from benchmarks.cases import (
    AFFORDABLE,
    AFFORDABLE_IN_MEMORY,
    Case,
    Method,
    all_cases,
    connections,
    make_slots_,
    starting_network,
)
from benchmarks.goals import limit_of, verdict
from benchmarks.measurements import by_device, is_measured, read_measurements, rows_of_case, write_measurements
from benchmarks.peak_memory import peak_bytes
from benchmarks.performance_page import benchmark_text
from benchmarks.timing import Effort, time_case
from benchmarks.training_arms import Training
from slotmachines.errors import UserError
from slotmachines.networks import NETWORKS
from slotpipeline.runs.config import read_config

SCRIPTS = Path(__file__).parents[1] / "benchmarks"
CPU = torch.device("cpu")
LENET = Case("lenet", "greedy", 8)
ORIGIN = {
    "device": "cpu", "processor": "a processor", "threads": 2, "commit": "0123456789" * 4, "tf32": "", "torch": "2.6",
    "numba": "0.61", "python": "3.11", "system": "Linux",
}  # fmt: skip


def made_up_rows(case: Case, ratio: float = 1.1, **origin: object) -> list[dict[str, object]]:
    """Rows of a case whose slot machine takes `ratio` steps and 3.5 numbers per connection."""
    count = connections(case.network)
    times = {"build_seconds": 1.0, "first_ms": 4.0, "step_ms": 2.0, "ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
    own = {"ratio": ratio, "ratio_low": 0.9 * ratio, "ratio_high": 1.2 * ratio, "first_ms": 8.0}
    methods = {
        "ordinary": times,
        "one-number": times | own,
        "dense": times | {"ratio": 9.0, "ratio_low": 8.5, "ratio_high": 9.5},
    }
    timing = {"methods": methods, "loss": 0.5, "changed_share": 0.002, "warm_up": 200, "rounds": 40}
    peaks = {"ordinary": 12 * count, "one-number": 26 * count, "dense": 120 * count}
    described = {**vars(case), "connections": count, "dataset": "mnist", "data_note": ""}
    return rows_of_case(described, timing, peaks, ORIGIN | origin)


def written(path: Path, *rows_of_cases: list[dict[str, object]]) -> pd.DataFrame:
    table = read_measurements(path)
    for rows in rows_of_cases:
        table = write_measurements(path, table, rows)
    return table


def script(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return ended.value.code


def test_every_network_and_k_has_its_case_and_what_touches_all_options_stays_affordable() -> None:
    cases = all_cases()
    greedy = {(case.network, case.options) for case in cases if case.selection == "greedy"}
    others = {("lenet", 65_536), ("resnet18", 8), ("resnet18", 64)}
    assert greedy == {(network, k) for network in NETWORKS for k in (2, 8, 64, 1024)} | others
    assert {Case("conv6", "probabilistic", k) for k in (8, 64)} <= set(cases)
    assert connections("conv2") == 4_300_992
    for case in cases:
        methods = case.methods(on_gpu=False)
        assert methods[:2] == ["ordinary", "one-number"]
        size = connections(case.network) * case.options
        assert size <= AFFORDABLE or case.network == "resnet18" or case.selection == "greedy"
        assert size <= AFFORDABLE_IN_MEMORY or not {"plain", "dense"} & set(methods)
    assert "dense" in Case("conv2", "greedy", 8).methods(on_gpu=False)


def test_a_network_that_is_not_in_the_registry_is_trained_like_one_of_it() -> None:
    case = Case("resnet18", "greedy", 8)
    assert case.settings("ordinary") == Case("resnet20", "greedy", 8).settings("ordinary")
    assert connections("resnet18") == 11_172_032
    training = Training(make_slots_(starting_network(case, CPU), case, "one-number"), case.settings("one-number"))
    assert math.isfinite(float(training.step(torch.rand(2, 3, 32, 32), torch.tensor([0, 1]))))


def test_on_a_gpu_nothing_is_captured_that_waits_for_the_host() -> None:
    assert LENET.methods(on_gpu=True) == ["ordinary", "one-number", "dense"]
    assert Case("lenet", "probabilistic", 8).methods(on_gpu=True) == ["ordinary", "one-number"]


def test_optimisers_do_the_same_work_at_learning_rates_of_the_recipe() -> None:
    for selection in ("greedy", "probabilistic"):
        case = Case("conv6", selection, 8)
        slots, ordinary = case.settings("one-number"), case.settings("ordinary")
        assert (slots.momentum, slots.weight_decay) == (ordinary.momentum, ordinary.weight_decay)
        assert ordinary.learning_rate == 0.01
    assert LENET.settings("dense").weight_decay == 1e-4


def test_dense_plain_and_compiled_training_are_the_same_training() -> None:
    images, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    losses = {}
    for method in ("one-number", "plain", "dense"):
        training = Training(make_slots_(starting_network(LENET, CPU), LENET, method), LENET.settings(method))
        losses[method] = [float(training.step(images, labels)) for _ in range(4)]
    assert losses["one-number"] == losses["plain"]
    assert losses["dense"] == pytest.approx(losses["plain"], rel=1e-3)
    assert losses["plain"][-1] < losses["plain"][0]


def test_training_goes_on_from_another_one() -> None:
    images, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    first, second = (
        Training(make_slots_(starting_network(LENET, CPU), LENET, method), LENET.settings(method))
        for method in ("one-number", "plain")
    )
    second.step(images, labels)  # so that it has momentum
    for _ in range(3):
        first.step(images, labels)
    second.go_on_from(first)
    assert [float(first.step(images, labels)) for _ in range(2)] == [
        float(second.step(images, labels)) for _ in range(2)
    ]


def test_no_batch_comes_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLOTMACHINES_DATA", raising=False)
    name, note = fetched_dataset("conv2", tmp_path)  # CIFAR-10 was not fetched into this folder
    assert (name, note) == ("digits", "")
    batches = fresh_batches("conv2", name, tmp_path, CPU)
    sums = set()
    for _ in range(25):  # more than two passes
        images, labels = next(batches)
        assert images.shape == (128, 3, 32, 32)
        assert labels.shape == (128,)
        sums.add(float(images.double().sum()))
    assert len(sums) == 25


def test_a_timed_case_has_all_that_a_row_needs(digits_folder: Path) -> None:
    case = Case("lenet", "greedy", 2)
    timing = time_case(case, "digits", digits_folder, CPU, Effort(warm_up=3, rounds=6, seconds=60))
    assert (timing["warm_up"], timing["rounds"]) == (3, 6)
    assert 0 < timing["loss"] < math.log(10)
    assert 0 < timing["changed_share"] < 0.5
    methods = timing["methods"]
    assert list(methods) == ["ordinary", "one-number", "plain", "dense"]
    assert methods["ordinary"]["ratio"] == 1
    for times in methods.values():
        assert 0 < times["ratio_low"] <= times["ratio"] <= times["ratio_high"]
        assert min(times["build_seconds"], times["first_ms"], times["step_ms"]) > 0
    peaks = dict.fromkeys(methods, 1)
    rows = rows_of_case({**vars(case), "connections": 1, "dataset": "digits", "data_note": ""}, timing, peaks, ORIGIN)
    assert [row["method"] for row in rows] == ["one-number", "plain", "dense"]


def peak_numbers() -> list[float]:
    """Numbers of 4 bytes per connection of ordinary and of dense training."""
    methods: tuple[Method, ...] = ("ordinary", "dense")
    return [(peak_bytes(Case("lenet", "greedy", 16), m, CPU) or 0) / (4 * connections("lenet")) for m in methods]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_peak_memory_of_dense_training_grows_as_its_scores_do() -> None:
    in_fresh_process = runpy.run_path(str(SCRIPTS / "run_steps.py"))["in_fresh_process"]
    ordinary, dense = in_fresh_process(peak_numbers)
    assert 3 < ordinary < 8  # weight, gradient, momentum; then activations
    assert 4 * 16 < dense - ordinary < 8 * 16  # values, scores, gradients, momentum; then what weight decay adds


def test_limits_are_those_of_the_case() -> None:
    def row(network: str, selection: str, options: int, method: str = "one-number", device: str = "cpu") -> object:
        return SimpleNamespace(network=network, selection=selection, options=options, method=method, device=device)

    assert limit_of(row("conv4", "greedy", 1024), "ratio") == 1.15
    assert limit_of(row("conv4", "greedy", 1024, device="some GPU"), "ratio") == 1.15
    assert [limit_of(row("lenet", "greedy", k), "ratio") for k in (64, 1024)] == [1.5, 2]
    assert [limit_of(row("conv6", "probabilistic", k), "ratio") for k in (8, 64)] == [1.5, 3]
    assert [limit_of(row("conv2", "greedy", k), "build_seconds") for k in (64, 1024)] == [10, 60]
    assert limit_of(row("lenet", "greedy", 65_536), "numbers") == 4
    for without in (
        row("lenet", "greedy", 65_536),
        row("conv4", "greedy", 8, "dense"),
        row("conv2", "probabilistic", 8),
    ):
        assert math.isnan(limit_of(without, "ratio"))


def test_a_row_says_whether_its_limits_are_kept(tmp_path: Path) -> None:
    kept, dense = made_up_rows(Case("conv2", "greedy", 8), ratio=1.15)
    assert kept["numbers"] == pytest.approx(3.5)
    assert (kept["met"], dense["met"]) == ("yes", "")
    assert made_up_rows(Case("conv2", "greedy", 8), ratio=1.16)[0]["met"] == "no"
    assert verdict(SimpleNamespace(**kept | {"numbers": 4.1})) == "no"
    assert verdict(SimpleNamespace(**kept | {"numbers": None, "ratio": 1.0})) == "yes"


def test_measuring_again_replaces_a_case_and_an_interrupted_benchmark_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    other = Case("conv2", "greedy", 8)
    table = written(path, made_up_rows(LENET), made_up_rows(other), made_up_rows(LENET, ratio=1.3))
    assert table.groupby(["network", "method"]).size().to_dict() == {
        ("conv2", "dense"): 1, ("conv2", "one-number"): 1, ("lenet", "dense"): 1, ("lenet", "one-number"): 1,
    }  # fmt: skip
    assert table.loc[(table.network == "lenet") & (table.method == "one-number"), "ratio"].item() == 1.3
    assert is_measured(table, vars(other), ORIGIN)
    for change in ({"commit": "another"}, {"processor": "another"}, {"threads": 4}):
        assert not is_measured(table, vars(other), ORIGIN | change)
    assert not is_measured(table, vars(Case("conv2", "greedy", 64)), ORIGIN)
    assert not is_measured(read_measurements(tmp_path / "absent.csv"), vars(other), ORIGIN)
    both = written(path, made_up_rows(LENET, device="a GPU"))
    assert {kind: len(part) for kind, part in by_device(path).items()} == {"cpu": 4, "gpu": 2}
    assert len(both) == 6


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "measurements.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="make bench"):
        read_measurements(path)
    with pytest.raises(UserError, match="no measurements"):
        by_device(tmp_path / "absent.csv")


def test_the_page_shows_ratios_limits_and_no_time_of_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, page = tmp_path / "measurements.csv", tmp_path / "page.md"
    table = written(
        path, made_up_rows(Case("conv2", "greedy", 64)), made_up_rows(Case("conv4", "greedy", 8), ratio=1.4)
    )
    text = benchmark_text(table)
    assert "1.10 to 1.40" in text
    assert "no: Conv-4 K = 8" in text
    assert "10% of it" in text  # one of ten seconds
    assert "Goals not measured: step time, greedy, K = 2 to 64, LeNet (1.5 ordinary steps);" in text
    assert "1.10 (0.99\N{EN DASH}1.32)" in text
    assert "0.20% to 0.20% of the weights change" in text
    assert " ms" not in text
    page.write_text("before\n<!-- begin benchmark-cpu -->\nold\n<!-- end benchmark-cpu -->\nafter\n")
    assert script(monkeypatch, "write_page", tmp_path, page) == 0
    assert page.read_text() == f"before\n<!-- begin benchmark-cpu -->\n{text}\n<!-- end benchmark-cpu -->\nafter\n"
    page.write_text("no marks\n")
    assert script(monkeypatch, "write_page", tmp_path, page) == 2


def test_the_figure_is_a_picture_per_kind_of_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "measurements.csv"
    rows = [made_up_rows(case) for case in (LENET, Case("lenet", "greedy", 64), Case("conv6", "probabilistic", 8))]
    written(path, *rows, made_up_rows(LENET, device="a GPU"))
    assert script(monkeypatch, "draw", path, tmp_path) == 0
    for name in ("cpu.png", "gpu.png"):
        picture = imread(tmp_path / name)
        assert picture.shape[1] == 1350
        assert picture.std() > 0.05
    figure = runpy.run_path(str(SCRIPTS / "draw.py"))["draw"](by_device(path)["cpu"]).figure
    assert [axes.get_title() for axes in figure.axes[:2]] == ["LeNet", "Conv-6"]
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in figure.axes)


def test_an_unknown_case_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(monkeypatch, "run_steps", tmp_path / "measurements.csv", "--only", "alexnet") == 2
    assert "alexnet" in capsys.readouterr().err
    assert not (tmp_path / "measurements.csv").exists()


def test_what_is_measured_are_the_networks_of_the_projects_grids() -> None:
    from benchmarks.run_scale import PROJECT
    from benchmarks.run_seconds_per_epoch import places

    assert (PROJECT / "Snakefile").is_file()
    assert {("lenet", "mnist"), ("conv6", "cifar10"), ("vgg19", "cifar10")} <= set(places())


@pytest.mark.slow
def test_the_workflow_is_planned_in_another_folder(tmp_path: Path) -> None:
    """`make scale` links the project's files into an empty folder; Snakemake finds all that it needs there."""
    from benchmarks.run_scale import PROJECT
    from benchmarks.scale_limits import planned_elsewhere

    assert planned_elsewhere(PROJECT, tmp_path, read_config(PROJECT / "config" / "smoke.yaml")) > 0
