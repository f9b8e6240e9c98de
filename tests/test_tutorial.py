"""The code of docs/tutorial.md runs, and does what the page says."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from slotmachines.selectable import weight_selectors

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"


@pytest.fixture(scope="module")
def code() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return block


@pytest.fixture(scope="module")
def left(code) -> dict:
    """What the code leaves."""
    names: dict = {}
    exec(code, names)
    return names


def test_it_is_short(code):
    assert sum(bool(line.strip()) for line in code.splitlines()) < 30


def test_choosing_and_finetuning_learn_the_digits(left):
    assert left["chosen"] > 0.8  # chance: 0.1
    assert left["finetuned"] > 0.8


def test_the_convolutions_chose_and_were_baked(left):
    assert {name: tuple(option.shape) for name, option in left["options"].items()} == {
        "features.0.weight": (16, 1, 3, 3),
        "features.2.weight": (16, 16, 3, 3),
    }
    assert all(set(option.flatten().tolist()) == set(range(8)) for option in left["options"].values())
    assert not list(weight_selectors(left["network"]))


def test_the_last_layer_was_learned_as_ordinary_weights(left):
    torch.manual_seed(0)
    start, learned = left["Network"]().last.weight, left["network"].last.weight
    assert isinstance(learned, nn.Parameter)
    assert (start != learned).float().mean() > 0.9 and (start - learned).abs().mean() > 0.02
