"""Several seeds trained together: each gives the result that it gives alone."""

import dataclasses
import json
import sys

import pytest
import torch

from conftest import files_of, tiny_run
from random_images import random_splits
from slotmachines import UserError
from slotpipeline import cli
from slotpipeline.training import train as train_module
from slotpipeline.training.packed import train_runs
from slotpipeline.training.train import UnfinishedRun

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SEEDS = (1, 2, 3)


@pytest.fixture
def together(tmp_path, digits_folder):
    """Train runs into folders below tmp_path named after their seeds."""

    def call(runs, **more):
        folders = [tmp_path / f"together-{run.seed}" for run in runs]
        checkpoints = [folder.with_suffix(".pt") for folder in folders]
        places = {"folders": folders, "checkpoints": checkpoints, "data_folder": digits_folder}
        return train_runs(runs, **{**places, "show_progress": False, **more})

    return call


@pytest.fixture
def small_data(monkeypatch):
    """50 random images, for networks that are slow and for machines without the digits."""
    monkeypatch.setattr(
        train_module, "load", lambda name, folder, shape, validation, device: random_splits(shape, 50, device)
    )


def of_seeds(run, seeds=SEEDS):
    return [dataclasses.replace(run, seed=seed) for seed in seeds]


def metrics_of(folder):
    changing = {"wall_seconds", "started", "runs_together", "commit"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert changing < metrics.keys() and metrics["wall_seconds"] > 0
    return {name: value for name, value in metrics.items() if name not in changing}


def assert_as_alone(tmp_path, seeds=SEEDS):
    for seed in seeds:
        one, other = tmp_path / f"alone-{seed}", tmp_path / f"together-{seed}"
        assert files_of(one) == files_of(other)
        for name in files_of(one) - {"metrics.json"}:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        assert metrics_of(one) == metrics_of(other)
        assert not other.with_suffix(".pt").exists()


@pytest.mark.parametrize("method", ["greedy", "probabilistic", "learned"])
def test_each_seed_gives_the_result_that_it_gives_alone(train, together, tmp_path, method):
    runs = of_seeds(tiny_run(method))
    results = together(runs, keep_epochs=(2,))
    for run in runs:
        train(run, f"alone-{run.seed}", keep_epochs=(2,))
    assert_as_alone(tmp_path)
    assert len({(tmp_path / f"together-{seed}/curve.csv").read_bytes() for seed in SEEDS}) == 3
    for run, result in zip(runs, results, strict=True):
        assert json.loads((tmp_path / f"together-{run.seed}/metrics.json").read_text()) == json.loads(
            json.dumps(result)
        )
        assert (result["seed"], result["runs_together"], result["cuda_graph"]) == (run.seed, 3, False)


def test_with_dropout_and_augmentation(train, together, tmp_path, small_data):
    run = tiny_run("probabilistic", "conv4", epochs=2, batch_size=20, augmentation="crop-flip")
    runs = of_seeds(run, (1, 2))
    together(runs)
    for one in runs:
        train(one, f"alone-{one.seed}")
    assert_as_alone(tmp_path, (1, 2))


def test_finetuning_together(train, together, tmp_path):
    from slotpipeline.runs.run import finetuned

    parents = of_seeds(tiny_run(), (1, 2))
    for parent in parents:
        train(parent, f"parent-{parent.seed}", keep_epochs=(2,))
    runs = [finetuned(parent, 2) for parent in parents]
    weights = [tmp_path / f"parent-{run.seed}/weights/epoch-2.safetensors" for run in runs]
    together(runs, start_weights=weights)
    for run, start in zip(runs, weights, strict=True):
        train(run, f"alone-{run.seed}", start_weights=start)
    assert_as_alone(tmp_path, (1, 2))


def test_each_seed_goes_on_from_its_own_checkpoint(train, together, monkeypatch, tmp_path):
    runs = of_seeds(tiny_run("probabilistic"))
    record = UnfinishedRun.record

    def stopping(self, row):
        record(self, row)
        if (self.run.seed, row["epoch"]) == (2, 3):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        patch.setattr(UnfinishedRun, "record", stopping)
        with pytest.raises(KeyboardInterrupt):
            together(runs)
    assert all((tmp_path / f"together-{seed}.pt").exists() for seed in SEEDS)
    train(runs[0], "together-1")  # alone
    trained = []
    monkeypatch.setattr(UnfinishedRun, "record", lambda self, row: trained.append(row["epoch"]) or record(self, row))
    together(runs[1:])
    assert set(trained) == {3, 4}
    for run in runs:
        train(run, f"alone-{run.seed}")
    assert_as_alone(tmp_path)


@pytest.fixture
def diverging(monkeypatch):
    """Seed 2 starts with a weight that is no number."""
    start = train_module.starting_network

    def starting_network(run, *arguments):
        network = start(run, *arguments)
        if run.seed == 2:
            next(network.parameters()).data.view(-1)[0] = torch.nan
        return network

    monkeypatch.setattr(train_module, "starting_network", starting_network)


def test_a_seed_that_diverges_does_not_stop_the_others(train, together, tmp_path, diverging):
    runs = of_seeds(tiny_run("learned"))
    results = together(runs)
    assert isinstance(results[1], UserError) and "became infinite or NaN in epoch 1" in str(results[1])
    assert not files_of(tmp_path / "together-2")
    for run in (runs[0], runs[2]):
        train(run, f"alone-{run.seed}")
    assert_as_alone(tmp_path, (1, 3))


@pytest.mark.parametrize(
    ("runs", "more", "message"),
    [
        (of_seeds(tiny_run(), (1, 2, 1)), {}, "seed 1 is given twice"),
        ([tiny_run(), dataclasses.replace(tiny_run(epochs=5), seed=2)], {}, "differ in their seeds alone"),
        (of_seeds(tiny_run()), {"cuda_graph": True}, "a CUDA graph needs a GPU"),
        (of_seeds(tiny_run()), {"keep_epochs": (9,)}, "cannot keep the weights of epoch 9"),
    ],
)
def test_runs_that_cannot_be_trained_together(together, tmp_path, runs, more, message):
    with pytest.raises(UserError, match=message):
        together(runs, **more)
    assert list(tmp_path.iterdir()) == []


# At the command line


@pytest.fixture
def command(tmp_path, digits_folder, monkeypatch, capsys):
    """Train a network with seeds 1 to 3; returns (status, lines of stdout, lines of stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        words = ("train", "--dataset", "digits", "--method", "learned", "--set", "epochs=1", *words)
        seeds = [word for seed in SEEDS for word in ("--seed", str(seed))]
        monkeypatch.setattr(sys, "argv", ["slotmachines", *words, *seeds, "--data", str(digits_folder)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out.splitlines(), printed.err.splitlines()

    return run


def test_several_seeds_at_the_command_line(command, tmp_path):
    status, out, _ = command()
    assert status == 0 and len(out) == 3
    for seed, line in zip(SEEDS, out, strict=True):
        folder = line.rsplit(": ", 1)[1]
        assert folder.startswith(f"runs/lenet-digits/learned/seed{seed}-")
        assert files_of(tmp_path / folder) == {"metrics.json", "curve.csv", "weights/best.safetensors"}


def test_the_command_names_the_seed_that_diverged(command, diverging):
    status, out, err = command()
    assert status == 2 and [line.rsplit("/", 1)[1][:5] for line in out] == ["seed1", "seed3"]
    assert err[-1].startswith("slotmachines: seed 2: the loss became infinite or NaN in epoch 1; lower")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--folder", "run"), "each of several seeds has a folder of its own below runs; leave out --folder"),
        (("--checkpoint", "c.pt"), "each of several seeds has a folder of its own"),
        (("--cuda-graph", "--device", "cpu"), "a CUDA graph needs a GPU, and this run would use the cpu"),
    ],
)
def test_several_seeds_that_are_refused(command, tmp_path, words, message):
    status, out, err = command(*words)
    assert status == 2 and out == [] and len(err) == 1 and message in err[0]
    assert list(tmp_path.iterdir()) == []


# On a GPU


@gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize(("method", "network"), [("greedy", "lenet"), ("probabilistic", "lenet"), ("learned", "conv2")])
def test_together_and_alone_agree_on_a_gpu(train, together, monkeypatch, small_data, method, network, cuda_graph):
    """Up to float32's rounding; random numbers of another seed, or of another stream, would show at once."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    augmentation = "none" if network == "lenet" else "crop-flip"
    changes = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "augmentation": augmentation, "schedule_epochs": []}
    runs = of_seeds(tiny_run(method, network, **changes))
    more = {"device": "cuda", "cuda_graph": cuda_graph}
    curves = []
    monkeypatch.setattr(
        train_module, "write_result", lambda folder, metrics, curve, kept: curves.append((metrics["seed"], curve))
    )
    together(runs, **more)
    packed = dict(curves)
    for run in runs:
        train(run, f"alone-{run.seed}", **more)
        single = curves[-1][1]
        for row, expected in zip(packed[run.seed], single, strict=True):
            assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
            assert row["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-3)


@gpu
def test_too_many_runs_for_a_gpu(together, small_data):
    with pytest.raises(UserError, match="a GPU can train at most 16 runs together, not 17"):
        together(of_seeds(tiny_run(), range(17)), device="cuda")
