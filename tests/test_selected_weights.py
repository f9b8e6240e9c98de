"""Histograms of selected weights: every weight is counted once, where numpy puts it."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import stats

from conftest import tiny_run
from slotmachines import UserError
from slotpipeline.results.weight_histograms import BINS, histogram
from slotpipeline.runs.run_files import RunFiles
from slotpipeline.training.train import train_run

LENET_SHAPES = {"dense1": (300, 784), "dense2": (100, 300), "dense3": (10, 100)}


BOUND_BY_A_HALF = tiny_run(value_bound=0.5)


def glorot(shape, numerator=6):
    return math.sqrt(numerator / sum(shape))


@pytest.fixture(scope="module")
def slot_machine(tmp_path_factory, digits_folder) -> Path:
    folder = tmp_path_factory.mktemp("slot-machine")
    train_run(
        tiny_run(), data_folder=digits_folder, folder=folder, checkpoint=folder / "checkpoint.pt", show_progress=False
    )
    return folder


@pytest.fixture
def written(tmp_path):
    """Write the files of a run by hand; those left out are missing."""

    def call(weights) -> Path:
        folder = tmp_path / "run"
        (folder / "weights").mkdir(parents=True)
        save_file({name: np.asarray(values) for name, values in weights.items()}, folder / "weights/best.safetensors")
        return folder

    return call


def counts_of(table, layer):
    rows = table[table["layer"] == layer]
    assert list(rows["bin"]) == list(range(BINS))
    return rows["count"].to_numpy()


def test_every_weight_of_a_trained_run_is_counted_once(slot_machine):
    table = histogram(RunFiles(slot_machine), tiny_run())
    assert list(table.columns) == ["identity", "layer", "bin", "count"]
    assert set(table["identity"]) == {tiny_run().identity}
    assert table.groupby("layer")["count"].sum().to_dict() == {n: math.prod(s) for n, s in LENET_SHAPES.items()}

    weights = load_file(slot_machine / "weights" / "best.safetensors")
    for layer, shape in LENET_SHAPES.items():
        relative = weights[f"{layer}.weight"].astype(np.float64).ravel() / glorot(shape)
        expected, _ = np.histogram(relative, bins=40, range=(-1, 1))
        assert (counts_of(table, layer) == expected).all()


@pytest.mark.parametrize(
    ("network", "bound"), [("lenet", "glorot-uniform"), ("lenet", "glorot-deviation"), ("conv2", 0.01)]
)
def test_random_options_fill_all_bins_alike(train, tmp_path, network, bound):
    run = tiny_run("random", network, value_bound=bound)
    train(run)
    table = histogram(RunFiles(tmp_path / "run"), run)
    p_values = [stats.chisquare(counts_of(table, layer)).pvalue for layer in table["layer"].unique()]
    assert min(p_values) > 0.001


def test_buffers_and_biases_are_no_selected_weights(written):
    folder = written({"conv1.weight": np.zeros((2, 3, 3, 3)), "norm1.running_mean": np.ones(2), "count": np.array(7)})
    table = histogram(RunFiles(folder), BOUND_BY_A_HALF)
    assert set(table["layer"]) == {"conv1"} and table["count"].sum() == 54


@pytest.mark.parametrize(
    ("value_bound", "expected"),
    [("glorot-uniform", math.sqrt(6 / (36 + 18))), ("glorot-deviation", math.sqrt(2 / (36 + 18))), (0.25, 0.25)],
)
def test_each_value_bound_sets_the_bins(written, value_bound, expected):
    weight = np.zeros((2, 4, 3, 3), dtype=np.float32)  # fan in 4 * 9, fan out 2 * 9
    weight[0] = 0.99 * expected
    counts = counts_of(
        histogram(RunFiles(written({"conv1.weight": weight})), tiny_run(value_bound=value_bound)), "conv1"
    )
    assert counts[BINS - 1] == 36 and counts[BINS // 2] == 36


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_at_the_bound_or_rounded_beyond_are_in_the_outer_bins(written, dtype):
    bound = dtype(0.1)
    beyond = np.nextafter(bound, dtype(1))
    weight = np.array([[bound, beyond, -bound, -beyond, 0]], dtype=dtype)
    counts = counts_of(histogram(RunFiles(written({"dense1.weight": weight})), tiny_run(value_bound=0.1)), "dense1")
    assert counts[BINS - 1] == 2 and counts[0] == 2 and counts[BINS // 2] == 1


@pytest.mark.parametrize("wrong", [0.50001, -0.50001, math.inf, math.nan])
def test_a_file_of_another_run_is_refused(written, wrong):
    weights = {"dense1.weight": np.array([[0.1, wrong]], dtype=np.float32)}
    with pytest.raises(UserError, match="goes beyond the value bound"):
        histogram(RunFiles(written(weights)), BOUND_BY_A_HALF)


@pytest.mark.parametrize("content", ["damaged", None])
def test_a_damaged_or_missing_file_is_one_line(written, content):
    folder = written({"dense1.weight": np.zeros((2, 2), dtype=np.float32)})
    path = folder / "weights" / "best.safetensors"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(UserError, match="delete the folder and, if it has one, its row in") as refusal:
        histogram(RunFiles(folder), BOUND_BY_A_HALF)
    assert "\n" not in str(refusal.value) and str(folder) in str(refusal.value)


def test_a_file_without_weights_is_refused(written):
    with pytest.raises(UserError, match="holds no weights"):
        histogram(RunFiles(written({"norm1.running_mean": np.zeros(3)})), BOUND_BY_A_HALF)


def test_neither_histograms_nor_costs_load_torch():
    code = (
        "import slotpipeline.results.weight_histograms, slotpipeline.runs.flops, sys; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
