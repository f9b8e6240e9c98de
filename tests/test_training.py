"""Training: its schedule, its files, and that a run which was stopped ends as if it had not been."""

import csv
import dataclasses
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from slotmachines import UserError, build_network, option_table, slotify_
from slotmachines.data import ImageSet, load
from slotmachines.replication.collect import collect
from slotmachines.replication.recipe import make_settings
from slotmachines.replication.run import Run, finetuned, make_run
from slotmachines.training import loop as loop_module
from slotmachines.training import train as train_module
from slotmachines.training.evaluation import evaluate
from slotmachines.training.loop import Trainer
from slotmachines.training.network import starting_network
from slotmachines.training.schedule import learning_rate
from slotmachines.training.train import train_run

CPU = torch.device("cpu")
COLUMNS = [
    "epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_accuracy",
    "changed_share", "mean_magnitude",
]  # fmt: skip


def tiny_run(method: str = "greedy", network: str = "lenet", **changes) -> Run:
    return make_run(
        network=network, dataset="digits", method=method, options=4 if method in ("greedy", "probabilistic") else None,
        seed=1, recipe="paper-glorot", changes={"epochs": 4, "schedule_epochs": [2], **changes},
    )  # fmt: skip


@pytest.fixture
def train(tmp_path, digits_folder):
    """Train into a folder of the given name below tmp_path."""

    def call(run: Run, name: str = "run", **more):
        places = {"folder": tmp_path / name, "checkpoint": tmp_path / f"{name}.pt", "data_folder": digits_folder}
        return train_run(run, **{**places, "show_progress": False, **more})

    return call


@pytest.fixture
def few_images(monkeypatch):
    """50 images to train on and 20 to evaluate on, for networks that are slow."""

    def part(images: ImageSet, count: int) -> ImageSet:
        return ImageSet(images.images[:count], images.labels[:count])

    def load_few(*arguments):
        splits = load(*arguments)
        sizes = {"train": 50, "validation": 20, "test": 20}
        return dataclasses.replace(splits, **{name: part(getattr(splits, name), n) for name, n in sizes.items()})

    monkeypatch.setattr(train_module, "load", load_few)


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read_curve(folder):
    with (folder / "curve.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


# The schedule


def schedule(**values):
    return make_settings({"learning_rate": 0.2, "validation": 1, "epochs": 110, **values}, "test")


def test_constant_rate():
    settings = schedule()
    assert {learning_rate(settings, epoch) for epoch in (0, 0.5, 30, 109.9)} == {0.2}


def test_steps():
    settings = schedule(schedule="steps", schedule_epochs=[80, 100])
    rates = [learning_rate(settings, epoch) for epoch in (0, 79.99, 80, 99.99, 100, 109)]
    assert rates == pytest.approx([0.2, 0.2, 0.02, 0.02, 0.002, 0.002])


def test_warm_restarts_at_25_and_75_anneal_to_zero_and_end_with_training():
    settings = schedule(schedule="warm-restarts", schedule_epochs=[25, 75])
    for start, end in [(0, 25), (25, 75), (75, 110)]:
        middle = (start + end) / 2
        assert learning_rate(settings, start) == pytest.approx(0.2)
        assert learning_rate(settings, middle) == pytest.approx(0.1)
        assert learning_rate(settings, start + (end - start) / 3) == pytest.approx(
            0.2 * (1 + math.cos(math.pi / 3)) / 2
        )
        assert learning_rate(settings, end - 1e-6) == pytest.approx(0, abs=1e-9)
        rates = [learning_rate(settings, start + (end - start) * i / 100) for i in range(100)]
        assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("epochs", [10, 25, 60, 75])
def test_warm_restarts_of_a_shorter_training(epochs):
    settings = schedule(schedule="warm-restarts", schedule_epochs=[25, 75], epochs=epochs)
    assert learning_rate(settings, 0) == pytest.approx(0.2)
    assert learning_rate(settings, epochs - 1e-6) == pytest.approx(0, abs=1e-9)


def test_the_rate_changes_from_step_to_step(train, monkeypatch):
    rates = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD, "step", lambda self, *a: rates.append(self.param_groups[0]["lr"]) or step(self, *a)
    )
    run = tiny_run(epochs=2, batch_size=615)  # two steps in each epoch of 1230 images
    train(run)
    assert rates == pytest.approx([learning_rate(run.settings, epoch) for epoch in (0, 0.5, 1, 1.5)])


# One run


@pytest.mark.parametrize("method", ["greedy", "probabilistic"])
def test_a_slot_machine_end_to_end(train, tmp_path, digits_folder, method):
    run = tiny_run(method, epochs=8, schedule_epochs=[])
    metrics = train(run, keep_epochs=(3,))
    folder = tmp_path / "run"
    assert files_of(folder) == {"metrics.json", "curve.csv", "weights/best.safetensors", "weights/epoch-3.safetensors"}
    assert not (tmp_path / "run.pt").exists()
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    curve = read_curve(folder)
    assert list(curve[0]) == COLUMNS and [row["epoch"] for row in curve] == [str(epoch) for epoch in range(1, 9)]

    best = max(curve, key=lambda row: float(row["val_accuracy"]))
    assert metrics["best_epoch"] == int(best["epoch"])
    assert metrics["val_accuracy"] == float(best["val_accuracy"]) > 60
    assert metrics["test_accuracy"] == float(best["test_accuracy"]) > 60
    assert float(curve[-1]["train_loss"]) < float(curve[0]["train_loss"])
    assert all(0 < float(row["changed_share"]) < 1 and 0 < float(row["mean_magnitude"]) < 1 for row in curve)
    expected = {
        "dataset": "digits", "network": "lenet", "method": method, "options": 4, "variant": "", "seed": 1,
        "recipe": "paper-glorot", "epochs": 8, "start_epoch": None, "identity": run.identity, "parent": None,
        "device": "cpu", "threads": 1, "data_note": "", "torch": torch.__version__,
    }  # fmt: skip
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["wall_seconds"] > 0 and metrics["commit"] and len(metrics["data_sha256"]) == 64
    assert metrics["settings"]["epochs"] == 8

    # The kept weights are those of the best epoch, and reach its accuracy in an ordinary network.
    network = build_network("lenet")
    network.load_state_dict(load_file(folder / "weights" / "best.safetensors"))
    data = load("digits", digits_folder, (1, 28, 28), 270)
    assert evaluate(network, data.test, data)[1] == metrics["test_accuracy"]
    assert evaluate(network, data.validation, data)[1] == metrics["val_accuracy"]


def test_the_first_of_equally_good_epochs_counts(train, monkeypatch, tmp_path):
    accuracies = iter([50.0, 70.0, 70.0, 60.0])
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(
        Trainer, "train_epoch", lambda self, epoch: train_epoch(self, epoch) | {"val_accuracy": next(accuracies)}
    )
    metrics = train(tiny_run(), keep_epochs=(2, 3))
    assert (metrics["best_epoch"], metrics["val_accuracy"]) == (2, 70.0)
    best, second, third = (
        load_file(tmp_path / "run/weights" / f"{n}.safetensors") for n in ("best", "epoch-2", "epoch-3")
    )
    assert all(torch.equal(best[name], second[name]) for name in best)
    assert not all(torch.equal(best[name], third[name]) for name in best)


def test_repeated_runs_are_equal_and_other_seeds_are_not(train, tmp_path):
    torch.manual_seed(5)
    train(tiny_run("probabilistic"), "a")
    torch.manual_seed(6)
    train(tiny_run("probabilistic"), "b")
    train(dataclasses.replace(tiny_run("probabilistic"), seed=2), "c")
    assert (tmp_path / "a/curve.csv").read_bytes() == (tmp_path / "b/curve.csv").read_bytes()
    assert (tmp_path / "a/curve.csv").read_bytes() != (tmp_path / "c/curve.csv").read_bytes()


def test_each_epoch_and_each_seed_draws_anew(train, monkeypatch):
    drawn = []  # order of the images, and state of the generator of all else, in each step

    def record(images, name):
        drawn.append((images.sum().item(), torch.initial_seed()))
        return images

    monkeypatch.setattr(loop_module, "augment", record)
    for name, seed in (("a", 1), ("b", 2)):
        train(dataclasses.replace(tiny_run(epochs=3, batch_size=300), seed=seed), name)
    steps = [drawn[epoch : epoch + 5] for epoch in range(0, 30, 5)]
    for part in (0, 1):
        assert len({tuple(step[part] for step in epoch) for epoch in steps}) == 6


def test_a_random_network_is_evaluated_as_it_is(train, tmp_path):
    metrics = train(tiny_run("random"))
    assert (metrics["epochs"], metrics["best_epoch"]) == (0, 0) and metrics["test_accuracy"] < 40
    assert (tmp_path / "run/curve.csv").read_text() == ""
    weights = load_file(tmp_path / "run/weights/best.safetensors")
    pool = option_table(slotify_(build_network("lenet"), options=4, seed=1))
    assert weights.keys() == pool.keys()
    assert all(torch.equal(weights[name], pool[name][0][..., 0]) for name in pool)


def test_learned_weights_start_from_the_first_option(train):
    run = tiny_run("learned")
    start = starting_network(run, CPU, None).state_dict()
    pool = option_table(slotify_(build_network("lenet"), options=8, seed=1))
    assert start.keys() == pool.keys() and all(torch.equal(start[name], pool[name][0][..., 0]) for name in pool)
    assert train(run)["test_accuracy"] > 20


def test_collected_results(train, tmp_path):
    runs = {"a": tiny_run(), "b": tiny_run("random")}
    metrics = {name: train(run, name) for name, run in runs.items()}
    for name in ("one", "two"):
        collect([tmp_path / "a", tmp_path / "b"], tmp_path / f"{name}.csv", tmp_path / f"{name}.csv.gz")
    with (tmp_path / "one.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["method"], row["options"]) for row in rows] == [("greedy", "4"), ("random", "")]
    assert [float(row["test_accuracy"]) for row in rows] == pytest.approx(
        [m["test_accuracy"] for m in metrics.values()], rel=1e-5
    )
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    (tmp_path / "a/metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read the run .*delete the folder to train it again"):
        collect([tmp_path / "a"], tmp_path / "three.csv", tmp_path / "three.csv.gz")


# Finetuning


def test_finetuning_starts_from_exactly_the_kept_weights(train, tmp_path):
    parent = tiny_run()
    train(parent, "parent", keep_epochs=(2,))
    kept = tmp_path / "parent/weights/epoch-2.safetensors"
    weights = load_file(kept)
    table = option_table(slotify_(build_network("lenet"), options=4, seed=1))
    assert all((weights[name][..., None] == values).any(-1).all() for name, (values, _) in table.items())

    run = finetuned(parent, 2)
    start = starting_network(run, CPU, kept)
    assert all(torch.equal(start.state_dict()[name], weights[name]) for name in weights)
    metrics = train(run, "finetuned", start_weights=kept)
    assert [row["epoch"] for row in read_curve(tmp_path / "finetuned")] == ["3", "4"]
    assert (metrics["epochs"], metrics["start_epoch"]) == (parent.settings.epochs, 2)
    assert (metrics["variant"], metrics["parent"]) == ("finetuned", parent.identity)
    assert {row["changed_share"] for row in read_curve(tmp_path / "finetuned")} == {""}


@pytest.mark.parametrize("content", [None, b"no weights", "other"])
def test_weights_that_cannot_be_started_from(train, tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content == "other":
        train(tiny_run("random", "conv2", network_settings={"padding": "code"}), "other")
        path = tmp_path / "other/weights/best.safetensors"
    elif content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot start from .*train its slot machine again") as error:
        train(finetuned(tiny_run(), 2), start_weights=path)
    assert "\n" not in str(error.value)


def test_weights_belong_to_finetuning_alone(train, tmp_path):
    for run, weights in [(finetuned(tiny_run(), 2), None), (tiny_run(), tmp_path / "w.safetensors")]:
        with pytest.raises(UserError, match="and only finetuning does"):
            train(run, start_weights=weights)


# Stopping and going on


def interrupt(monkeypatch, train, run, name, epoch, **more):
    """Stop the run in the middle of an epoch, with a checkpoint after each epoch before."""
    train_epoch = Trainer.train_epoch

    def stopping(self, number):
        row = train_epoch(self, number)
        if number == epoch:
            raise KeyboardInterrupt
        return row

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        patch.setattr(Trainer, "train_epoch", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(run, name, **more)


def assert_equal_results(first, second):
    assert files_of(first) == files_of(second)
    for name in files_of(first) - {"metrics.json"}:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (first, second)]
    for changing in ("wall_seconds", "started"):
        assert all(m.pop(changing) for m in metrics)
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("method", ["greedy", "probabilistic", "learned"])
def test_resumed_equals_uninterrupted(train, monkeypatch, tmp_path, method):
    run = tiny_run(method)
    train(run, "whole", keep_epochs=(1, 4))
    for epoch in (2, 3):
        interrupt(monkeypatch, train, run, "stopped", epoch, keep_epochs=(1, 4))
        assert (tmp_path / "stopped.pt").exists() and not files_of(tmp_path / "stopped")
    torch.manual_seed(99)
    trained = []
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(Trainer, "train_epoch", lambda self, n: trained.append(n) or train_epoch(self, n))
    train(run, "stopped", keep_epochs=(1, 4))
    assert trained == [3, 4]
    assert_equal_results(tmp_path / "whole", tmp_path / "stopped")


def test_resumed_equals_uninterrupted_with_dropout_and_augmentation(train, monkeypatch, tmp_path, few_images):
    changes = {"epochs": 2, "batch_size": 25, "augmentation": "crop-flip", "network_settings": {"padding": "code"}}
    run = tiny_run("probabilistic", "conv4", **changes)
    train(run, "whole")
    interrupt(monkeypatch, train, run, "stopped", 2)
    train(run, "stopped")
    assert_equal_results(tmp_path / "whole", tmp_path / "stopped")


def test_resumed_finetuning_equals_uninterrupted(train, monkeypatch, tmp_path):
    parent = tiny_run()
    train(parent, "parent", keep_epochs=(1,))
    run, weights = finetuned(parent, 1), tmp_path / "parent/weights/epoch-1.safetensors"
    train(run, "whole", start_weights=weights)
    interrupt(monkeypatch, train, run, "stopped", 3, start_weights=weights)
    train(run, "stopped", start_weights=weights)
    assert_equal_results(tmp_path / "whole", tmp_path / "stopped")


def test_the_best_weights_of_before_an_interruption_count(train, monkeypatch, tmp_path):
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(
        Trainer, "train_epoch", lambda self, epoch: train_epoch(self, epoch) | {"val_accuracy": 90.0 - epoch}
    )
    interrupt(monkeypatch, train, tiny_run(), "run", 3, keep_epochs=(1,))
    assert train(tiny_run(), keep_epochs=(1,))["best_epoch"] == 1
    weights = tmp_path / "run/weights"
    assert (weights / "best.safetensors").read_bytes() == (weights / "epoch-1.safetensors").read_bytes()


def test_damaged_checkpoints_are_refused(train, monkeypatch, tmp_path):
    interrupt(monkeypatch, train, tiny_run(), "run", 2)
    checkpoint = tmp_path / "run.pt"
    content = checkpoint.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", b"no checkpoint", content[:middle], content[:-1], flipped):
        checkpoint.write_bytes(damaged)
        with pytest.raises(
            UserError, match=r"the checkpoint .* is damaged .*; delete it to start this run anew"
        ) as error:
            train(tiny_run())
        assert "\n" not in str(error.value)
    assert not files_of(tmp_path / "run")


def test_the_checkpoint_of_another_run_is_refused(train, monkeypatch, tmp_path):
    interrupt(monkeypatch, train, tiny_run(), "run", 2)
    with pytest.raises(UserError, match="is no checkpoint of this run; delete it"):
        train(tiny_run("learned"))
    torch.save([1, 2], tmp_path / "run.pt")
    with pytest.raises(UserError, match="is no checkpoint of this run; delete it"):
        train(tiny_run())


def test_a_checkpoint_past_an_epoch_that_is_now_to_be_kept_is_refused(train, monkeypatch):
    interrupt(monkeypatch, train, tiny_run(), "run", 3)
    with pytest.raises(UserError, match="is past epoch 1 and did not keep its weights; delete it"):
        train(tiny_run(), keep_epochs=(1,))


# What is refused


@pytest.mark.parametrize(
    ("method", "what"),
    [("learned", "the loss"), ("greedy", "the trained numbers"), ("probabilistic", "the trained numbers")],
)
def test_a_run_that_diverges_ends_without_a_result(train, tmp_path, method, what):
    with pytest.raises(
        UserError, match=rf"^{what} became infinite or NaN in epoch 1; lower the learning rate \(3e\+38\)"
    ):
        train(tiny_run(method, learning_rate=3e38, schedule="constant"))
    assert not files_of(tmp_path / "run")


@pytest.mark.parametrize("what", ["folder", "checkpoint"])
def test_a_folder_that_cannot_be_written_is_noticed_before_training(train, tmp_path, monkeypatch, what):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Trainer, "train_epoch", lambda *_: pytest.fail("trained"))
    place = tmp_path / "file" / "below"
    with pytest.raises(UserError, match=r"cannot write to .*choose a folder you may write to"):
        train(tiny_run(), **{what: place if what == "folder" else place / "c.pt"})


def test_a_refusal_leaves_an_earlier_result_alone(train, tmp_path):
    train(tiny_run(epochs=1))
    before = {name: (tmp_path / "run" / name).read_bytes() for name in files_of(tmp_path / "run")}
    (tmp_path / "run.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged"):
        train(tiny_run(epochs=1))
    assert {name: (tmp_path / "run" / name).read_bytes() for name in files_of(tmp_path / "run")} == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"keep_epochs": (5,)}, "cannot keep the weights of epoch 5: the run ends after 4 epochs"),
        ({"device": "gpu"}, "cannot use device 'gpu'"),
    ],
)
def test_bad_arguments(train, more, message):
    with pytest.raises(UserError, match=message):
        train(tiny_run(), **more)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value_bound": "glorot"}, "unknown value bound 'glorot'"),
        ({"network_settings": {"dropout": 0.5}}, "lenet: .*dropout"),
        ({"augmentation": "rotate"}, "unknown augmentation 'rotate'"),
        ({"validation": 5000}, "cannot hold out 5000"),
    ],
)
def test_settings_that_only_training_can_judge(train, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train(tiny_run(**changes))
    assert not files_of(tmp_path / "run")
