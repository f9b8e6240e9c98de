"""docs/troubleshooting.md quotes lines that the code prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from slotmachines import UserError, slotify_
from slotpipeline import cli, results_verbs
from slotpipeline.data import fetching
from slotpipeline.data.canonical import canonical_path, read_canonical
from slotpipeline.data.datasets import find
from slotpipeline.data.mnist import MNIST
from slotpipeline.plain_yaml import named_values
from slotpipeline.runs.recipe import load_recipe
from slotpipeline.training.checkpoint import load_checkpoint
from slotpipeline.training.gpu_of_job import unused_gpu_notice
from slotpipeline.training.loop import Trainer

PAGE = (Path(__file__).parents[1] / "docs/troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)


def no_data(folder: Path, _: pytest.MonkeyPatch) -> None:
    read_canonical(canonical_path(find("mnist"), folder / "data"), find("mnist"))


def no_internet(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError("Network is unreachable")

    patch.setattr(fetching, "_PAUSES_SECONDS", ())
    fetching._download(SimpleNamespace(name="mnist", download=fail, mirrors=tuple), folder)  # type: ignore[arg-type]


def wrong_folder(folder: Path, _: pytest.MonkeyPatch) -> None:
    assert MNIST.read is not None
    MNIST.read(folder)


def no_results(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(Path(__file__).parents[1])
    results_verbs.show(Path("config/smoke.yaml"), folder / "results")


def no_extra(_: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise ImportError("No module named 'matplotlib'", name="matplotlib")

    patch.setattr(cli, "app", fail)
    cli.main()


def misspelt_recipe(*_: object) -> None:
    load_recipe("papper")


def set_in_two_words(*_: object) -> None:
    named_values(["epochs 3"])


def diverged(*_: object) -> None:
    evaluation = SimpleNamespace(is_finite=True)
    trainer: Any = SimpleNamespace(
        step=SimpleNamespace(loss_sum=torch.tensor(float("nan"))),
        data=SimpleNamespace(train=[0]),
        settings=SimpleNamespace(learning_rate=25.0),
    )
    Trainer._row(trainer, 1, 25.0, evaluation)  # type: ignore[arg-type]


def foreign_checkpoint(folder: Path, _: pytest.MonkeyPatch) -> None:
    torch.save({"identity": "another"}, folder / "checkpoint.pt")
    load_checkpoint(folder / "checkpoint.pt", torch.device("cpu"), "this")


def unusable_gpu(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CUDA_VISIBLE_DEVICES", "0")
    patch.delenv("SLURM_JOB_GPUS", raising=False)
    patch.delenv("SLURM_STEP_GPUS", raising=False)
    unused_gpu_notice()


def unknown_layer(*_: object) -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.zeros(2, 3, 4))

    slotify_(Experts(), options=2)


CAUSES: list[Callable[[Path, pytest.MonkeyPatch], None]] = [
    no_data, no_internet, wrong_folder, no_results, no_extra, misspelt_recipe, set_in_two_words, diverged,
    foreign_checkpoint, unusable_gpu, unknown_layer,
]  # fmt: skip


@pytest.mark.parametrize(
    ("quoted", "cause"), list(zip(QUOTED, CAUSES, strict=True)), ids=[one.__name__ for one in CAUSES]
)
def test_the_code_prints_the_line(
    quoted: str,
    cause: Callable[[Path, pytest.MonkeyPatch], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises((UserError, ValueError, SystemExit)) as raised:
        cause(tmp_path, monkeypatch)
    line = capsys.readouterr().err if raised.type is SystemExit else str(raised.value)
    # What a line holds of one folder is not part of it.
    line = line.replace(f"{tmp_path}/", "").replace(str(tmp_path), "")
    expected = quoted.removeprefix("results/…/")
    assert re.search(".*".join(map(re.escape, expected.split("…"))), line), line
