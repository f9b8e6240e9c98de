"""Checkpoints: a run that was stopped ends as if it had not been, and a checkpoint that does not fit is refused."""

import dataclasses
import json

import pytest
import torch

from conftest import files_of, tiny_run
from slotmachines import UserError
from slotpipeline.data import ImageSet, load
from slotpipeline.runs.run import finetuned
from slotpipeline.training import train as train_module
from slotpipeline.training.loop import Trainer
from slotpipeline.training.provenance import provenance


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


@pytest.mark.parametrize(
    "method", ["greedy", "probabilistic", "learned", "min_flipping", "supermask", "edge_popup", "lottery_ticket"]
)
def test_resumed_equals_uninterrupted(train, monkeypatch, tmp_path, method):
    run = tiny_run(method, **({"method_settings": {"round_epochs": 2}} if method == "lottery_ticket" else {}))
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


def test_a_checkpoint_from_before_the_scale_had_a_dimension_goes_on(train, monkeypatch, tmp_path):
    run = tiny_run("greedy", weight_decay=1e-3)
    train(run, "whole")
    interrupt(monkeypatch, train, run, "stopped", 3)
    state = torch.load(tmp_path / "stopped.pt", weights_only=True)
    parts = [state["network"], *state["optimiser"]["state"].values()]
    vectors = [(part, name) for part in parts for name, value in part.items() if value.shape == (1,)]
    assert len(vectors) == 6  # of three layers the scale and its momentum
    for part, name in vectors:
        part[name] = part[name].reshape(())
    torch.save(state, tmp_path / "stopped.pt")
    train(run, "stopped")
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
        Trainer,
        "train_epoch",
        lambda self, epoch: dataclasses.replace(train_epoch(self, epoch), val_accuracy=90.0 - epoch),
    )
    interrupt(monkeypatch, train, tiny_run(), "run", 3, keep_epochs=(1,))
    assert train(tiny_run(), keep_epochs=(1,)).best_epoch == 1
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
            UserError, match=r"the checkpoint .* is damaged .*; delete it to start this run from the beginning"
        ) as error:
            train(tiny_run())
        assert "\n" not in str(error.value)
    assert not files_of(tmp_path / "run")


def test_the_checkpoint_of_another_run_is_refused(train, monkeypatch, tmp_path):
    interrupt(monkeypatch, train, tiny_run(), "run", 2)
    with pytest.raises(UserError, match="is not a checkpoint of this run; delete it"):
        train(tiny_run("learned"))
    torch.save([1, 2], tmp_path / "run.pt")
    with pytest.raises(UserError, match="is not a checkpoint of this run; delete it"):
        train(tiny_run())


def test_a_checkpoint_past_an_epoch_that_is_now_to_be_kept_is_refused(train, monkeypatch):
    interrupt(monkeypatch, train, tiny_run(), "run", 3)
    with pytest.raises(UserError, match="is past epoch 1 and did not keep its weights; delete it"):
        train(tiny_run(), keep_epochs=(1,))


def test_where_a_resumed_run_comes_from(train, monkeypatch):
    origin = provenance(torch.device("cpu")) | {"commit": "a"}
    monkeypatch.setattr(train_module, "provenance", lambda *_: dict(origin))
    for commit, epoch in (("a", 2), ("b", 3), ("b", 4)):
        origin["commit"] = commit
        interrupt(monkeypatch, train, tiny_run(), "run", epoch)
    origin |= {"commit": "c", "device": "a GPU", "cuda": "13.2"}
    record = train(tiny_run(), "run")
    assert (record.commit, record.device) == ("a + b + c", "cpu + a GPU")
    assert (record.threads, record.cuda) == (1, "None + 13.2")


def test_the_source_may_change_while_a_run_trains(train, monkeypatch):
    commits = iter(["at the start", "at the end"])
    origin = provenance(torch.device("cpu"))
    monkeypatch.setattr(train_module, "provenance", lambda *_: origin | {"commit": next(commits)})
    assert train(tiny_run()).commit == "at the start"


def test_a_checkpoint_that_does_not_say_where_it_comes_from(train, monkeypatch, tmp_path):
    interrupt(monkeypatch, train, tiny_run(), "run", 2)
    state = torch.load(tmp_path / "run.pt", weights_only=True)
    del state["origins"]
    torch.save(state, tmp_path / "run.pt")
    assert train(tiny_run()).device == "unknown + cpu"
