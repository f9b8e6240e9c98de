"""The picture of `slotmachines demo`: learning curves, and test images with a network's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from slotmachines.files import replacing
from slotpipeline.reporting.style import COLOURS, FAINT, LOOK, MARKS

_ROWS, _COLUMNS = 4, 6
SHOWN = _ROWS * _COLUMNS
"""How many images the picture shows."""
_WRONG = "#C1272D"


@dataclass(frozen=True)
class Answers:
    """Some test images (N, H, W), what they show, and what a network says they show; how often it is wrong on all."""

    images: NDArray[np.uint8]
    labels: Sequence[int]
    answers: Sequence[int]
    wrong: int
    count: int


def draw_demo(path: Path, curves: Mapping[str, Sequence[float]], names: Mapping[str, str], shown: Answers) -> None:
    """Write the picture as PNG.

    Args:
        path: the file to write.
        curves: method -> test accuracy in percent after each epoch; a single number for a network without training.
        names: method -> what readers know it by.
        shown: at most `SHOWN` images with the slot machine's answers.

    Raises:
        UserError: the file cannot be written.
    """
    with rc_context(LOOK):
        figure = Figure(figsize=(10.5, 4.4), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.15, 1])[0]
        axes = left.subplots()
        longest = max(map(len, curves.values()))
        for method, accuracies in curves.items():
            many = len(accuracies) > 1
            epochs = range(1, longest + 1) if many else (1, longest)
            axes.plot(
                epochs, accuracies if many else [accuracies[0]] * 2, color=COLOURS[method], label=names[method],
                marker=MARKS[method] if many else "", markersize=4, markevery=max(1, longest // 10),
                linestyle="-" if many else "--",
            )  # fmt: skip
        axes.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 102), title="LeNet on digits, one seed")
        axes.legend(loc="center right")
        for place, image, label, answer in zip(
            right.subplots(_ROWS, _COLUMNS).flat, shown.images, shown.labels, shown.answers, strict=False
        ):
            place.imshow(image, cmap="gray_r")
            place.set_axis_off()
            right_answer = answer == label
            words = f"{answer}" if right_answer else f"{answer}, not {label}"
            place.set_title(words, fontsize=10, loc="center", color=FAINT if right_answer else _WRONG)
        title = f"The slot machine's answers: {shown.wrong} of {shown.count} wrong"
        right.suptitle(title, x=0.02, ha="left", fontsize=12, fontweight="bold")
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
