"""The learning rate over the epochs."""

import math

import pytest
import torch

from conftest import tiny_run
from slotpipeline.runs.recipe import make_settings
from slotpipeline.training.schedule import learning_rate


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
