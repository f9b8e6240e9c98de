"""One training run, end to end: its files and its result, its repetition, and finetuning."""

import csv
import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from conftest import files_of, tiny_run
from slotmachines import UserError, build_network, option_table, slotify_
from slotmachines.methods import RIVALS
from slotpipeline.data import load
from slotpipeline.runs.run import finetuned
from slotpipeline.runs.run_record import ROW_COLUMNS, SAMPLED_COLUMNS
from slotpipeline.training import step_parts
from slotpipeline.training.evaluation import evaluate
from slotpipeline.training.loop import Trainer
from slotpipeline.training.provenance import provenance
from slotpipeline.training.start import starting_network

CPU = torch.device("cpu")


def read_curve(folder):
    with (folder / "curve.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


# One run


@pytest.mark.parametrize("method", ["greedy", "probabilistic"])
def test_a_slot_machine_end_to_end(train, tmp_path, digits_folder, method):
    run = tiny_run(method, epochs=8, schedule_epochs=[])
    record = train(run, keep_epochs=(3,))
    folder = tmp_path / "run"
    assert files_of(folder) == {"metrics.json", "curve.csv", "weights/best.safetensors", "weights/epoch-3.safetensors"}
    assert not (tmp_path / "run.pt").exists()
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(dataclasses.asdict(record)))
    curve = read_curve(folder)
    columns = [name for name in ROW_COLUMNS if method == "probabilistic" or name not in SAMPLED_COLUMNS]
    assert list(curve[0]) == columns and [row["epoch"] for row in curve] == [str(epoch) for epoch in range(1, 9)]

    best = max(curve, key=lambda row: float(row["val_accuracy"]))
    assert record.best_epoch == int(best["epoch"])
    assert record.val_accuracy == float(best["val_accuracy"]) > 60
    assert record.test_accuracy == float(best["test_accuracy"]) > 60
    assert float(curve[-1]["train_loss"]) < float(curve[0]["train_loss"])
    assert all(0 < float(row["changed_share"]) < 1 and 0 < float(row["mean_magnitude"]) < 1 for row in curve)
    assert all(0 < float(row[name]) < 1 for row in curve for name in SAMPLED_COLUMNS if name in columns)
    expected = {
        "dataset": "digits", "network": "lenet", "method": method, "options": 4, "variant": "", "seed": 1,
        "recipe": "paper-glorot", "epochs": 8, "start_epoch": None, "identity": run.identity, "parent": None,
        "device": "cpu", "threads": 1, "tf32": "", "data_note": "", "torch": torch.__version__,
    }  # fmt: skip
    assert {name: getattr(record, name) for name in expected} == expected
    assert record.wall_seconds > 0 and record.commit and len(record.data_sha256) == 64
    assert record.settings["epochs"] == 8

    # The kept weights are those of the best epoch, and reach its accuracy in an ordinary network.
    network = build_network("lenet")
    network.load_state_dict(load_file(folder / "weights" / "best.safetensors"))
    data = load("digits", digits_folder, (1, 28, 28), 270)
    assert evaluate(network, data.test, data)[1] == record.test_accuracy
    assert evaluate(network, data.validation, data)[1] == record.val_accuracy


def assert_measured_within_the_first_epoch(record, method):
    if method == "supermask":  # whose masks are drawn: a measurement would draw what training is to draw
        assert record.first_epoch == []
        return
    steps = [row.step for row in record.first_epoch]
    assert steps[0] == 0 and steps == sorted(set(steps)) and len(steps) > 5
    first, last = record.first_epoch[0], record.first_epoch[-1]
    assert last.val_accuracy > first.val_accuracy and all(0 <= row.altered_share < 1 for row in record.first_epoch)


@pytest.mark.parametrize("method", [name for name in RIVALS if name != "lottery_ticket"])
def test_a_rival_end_to_end(train, tmp_path, digits_folder, method):
    record = train(tiny_run(method, epochs=12))
    folder = tmp_path / "run"
    curve = read_curve(folder)
    assert record.val_accuracy > 60 and record.test_accuracy > 60
    assert all(0 < float(row["altered_share"]) < 1 and row["mean_magnitude"] == "" for row in curve)
    assert all(0 <= float(row["changed_share"]) < 1 for row in curve)
    assert_measured_within_the_first_epoch(record, method)
    network = build_network("lenet")
    network.load_state_dict(load_file(folder / "weights" / "best.safetensors"))
    data = load("digits", digits_folder, (1, 28, 28), 270)
    most_probable = evaluate(network, data.test, data)[1]
    if method == "supermask":  # its evaluation is the mean of ten drawn masks
        assert most_probable > 60
    else:
        assert most_probable == record.test_accuracy


def test_of_a_lottery_ticket_the_last_round_counts(train, tmp_path):
    changes = {"epochs": 9, "method_settings": {"round_epochs": 3, "dense": 0.9}}
    record = train(tiny_run("lottery_ticket", **changes))
    curve = read_curve(tmp_path / "run")
    assert [row["round"] for row in curve] == list("111222333")
    assert [round(float(row["altered_share"]), 1) for row in curve] == [0, 0, 0, 0.9, 0.9, 0.9, 1.0, 1.0, 1.0]
    best = max(curve[6:], key=lambda row: float(row["val_accuracy"]))
    assert record.best_epoch == int(best["epoch"])
    assert record.val_accuracy < max(float(row["val_accuracy"]) for row in curve), "an earlier round was better"
    kept = load_file(tmp_path / "run" / "weights" / "best.safetensors")
    assert (kept["dense1.weight"] != 0).double().mean().item() == pytest.approx(0.01, rel=0.01)


def test_learned_weights_start_from_the_distribution_of_their_settings():
    run = tiny_run("learned", weights="kaiming-constant", positive_share=1.0)
    weight = starting_network(run, torch.device("cpu"), None).dense1.weight
    assert weight.detach().unique().item() == pytest.approx((2 / 784) ** 0.5)


def test_the_first_of_equally_good_epochs_counts(train, monkeypatch, tmp_path):
    accuracies = iter([50.0, 70.0, 70.0, 60.0])
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(
        Trainer,
        "train_epoch",
        lambda self, epoch: dataclasses.replace(train_epoch(self, epoch), val_accuracy=next(accuracies)),
    )
    record = train(tiny_run(), keep_epochs=(2, 3))
    assert (record.best_epoch, record.val_accuracy) == (2, 70.0)
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

    monkeypatch.setattr(step_parts, "augment", record)
    for name, seed in (("a", 1), ("b", 2)):
        train(dataclasses.replace(tiny_run(epochs=3, batch_size=300), seed=seed), name)
    steps = [drawn[epoch : epoch + 5] for epoch in range(0, 30, 5)]
    for part in (0, 1):
        assert len({tuple(step[part] for step in epoch) for epoch in steps}) == 6


def test_a_random_network_is_evaluated_as_it_is(train, tmp_path):
    record = train(tiny_run("random"))
    assert (record.epochs, record.best_epoch) == (0, 0) and record.test_accuracy < 40
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
    assert train(run).test_accuracy > 20


@pytest.mark.parametrize(
    ("matmul", "convolution", "tf32"),
    [(False, False, ""), (False, True, "convolution"), (True, False, "matmul"), (True, True, "matmul+convolution")],
)
def test_where_tf32_may_be_used_is_recorded(monkeypatch, matmul, convolution, tf32):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.backends.cuda, "matmul", SimpleNamespace(allow_tf32=matmul))
    monkeypatch.setattr(torch.backends, "cudnn", SimpleNamespace(allow_tf32=convolution))
    recorded = provenance(torch.device("cuda"))
    assert (recorded["device"], recorded["tf32"], recorded["cuda"]) == ("a GPU", tf32, torch.version.cuda)
    recorded = provenance(CPU)
    assert (recorded["device"], recorded["tf32"], recorded["cuda"]) == ("cpu", "", None)


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
    record = train(run, "finetuned", start_weights=kept)
    assert [row["epoch"] for row in read_curve(tmp_path / "finetuned")] == ["3", "4"]
    assert (record.epochs, record.start_epoch) == (parent.settings.epochs, 2)
    assert (record.variant, record.parent) == ("finetuned", parent.identity)
    assert {row["changed_share"] for row in read_curve(tmp_path / "finetuned")} == {""}


def test_weights_of_another_run_or_epoch_are_refused(train, tmp_path):
    parent = tiny_run()
    train(parent, "parent", keep_epochs=(2, 3))
    train(tiny_run(learning_rate=0.1), "other", keep_epochs=(2,))
    with safe_open(tmp_path / "parent/weights/best.safetensors", "pt") as file:
        (entry,) = file.metadata().values()
    best = json.loads((tmp_path / "parent/metrics.json").read_text())["best_epoch"]
    assert entry == f'{{"epoch": {best}, "run": "{parent.identity}"}}'
    for path in ("parent/weights/epoch-3.safetensors", "other/weights/epoch-2.safetensors"):
        with pytest.raises(UserError, match=f"ask for epoch 2 of run {parent.identity}; give that file"):
            train(finetuned(parent, 2), "run", start_weights=tmp_path / path)
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_say_which_they_are_can_be_started_from(train, tmp_path):
    parent = tiny_run()
    train(parent, "parent", keep_epochs=(2,))
    kept = tmp_path / "parent/weights/epoch-2.safetensors"
    save_file(load_file(kept), tmp_path / "older.safetensors")
    results = [
        train(finetuned(parent, 2), path.stem, start_weights=path) for path in (kept, tmp_path / "older.safetensors")
    ]
    assert results[0].test_accuracy == results[1].test_accuracy


@pytest.mark.parametrize("content", [None, b"no weights", "other"])
def test_weights_that_cannot_be_started_from(train, tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content == "other":
        train(tiny_run("random", "conv2", network_settings={"padding": "code"}), "other")
        save_file(load_file(tmp_path / "other/weights/best.safetensors"), path)  # does not say which weights it holds
    elif content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot start from .*train its slot machine again") as error:
        train(finetuned(tiny_run(), 2), start_weights=path)
    assert "\n" not in str(error.value)


def test_weights_belong_to_finetuning_alone(train, tmp_path):
    for run, weights in [(finetuned(tiny_run(), 2), None), (tiny_run(), tmp_path / "w.safetensors")]:
        with pytest.raises(UserError, match="and only finetuning does"):
            train(run, start_weights=weights)
