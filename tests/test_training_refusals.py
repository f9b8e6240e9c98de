"""Runs that training refuses, or ends without a result."""

import resource

import pytest

from conftest import files_of, tiny_run
from slotmachines import UserError
from slotpipeline.training import train as train_module
from slotpipeline.training.loop import Trainer


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


@pytest.fixture
def small_files():
    """No file may become larger than 100 kB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("what", ["weights", "checkpoint"])
def test_a_full_disk(train, tmp_path, monkeypatch, small_files, what):
    if what == "checkpoint":
        monkeypatch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    place = "run/weights" if what == "weights" else "run.pt"
    with pytest.raises(UserError, match=rf"^cannot write .*{place}: .*; free some space or choose another") as error:
        train(tiny_run(epochs=1))
    assert "\n" not in str(error.value)
    assert not files_of(tmp_path) - {"run/curve.csv"} and not list((tmp_path / "run").glob(".*"))


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
        ({"network_settings": {"classes": 9}}, "lenet tells 9 classes apart, but digits has 10; set network_settings"),
    ],
)
def test_settings_that_only_training_can_judge(train, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train(tiny_run(**changes))
    assert not (tmp_path / "run").exists()
