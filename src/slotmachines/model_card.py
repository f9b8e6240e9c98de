"""The model card of a trained network: README.md with the numbers, and what Hugging Face reads above them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from slotmachines.slots.ticket_contents import TicketContents

_PAPER = "https://proceedings.mlr.press/v139/aladago21a.html"


@dataclass(frozen=True)
class Score:
    """One number that was measured.

    Attributes:
        dataset: its name, such as "mnist".
        value: of the metric; an accuracy is in percent.
        count: the number of examples that it was measured on.
        metric: what it is.
        split: the part of the dataset.
        note: what a reader has to know about it.

    Raises:
        ValueError: a value that is no finite number, or a count below 1.
    """

    dataset: str
    value: float
    count: int
    metric: str = "accuracy"
    split: str = "test"
    note: str = ""

    def __post_init__(self) -> None:
        texts = (self.dataset, self.metric, self.split, self.note)
        if not all(type(text) is str for text in texts) or type(self.count) is not int or self.count < 1:
            raise ValueError(f"a score has names as text and a count of at least 1, not {self}")
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            raise ValueError(f"the value of a score is a finite number, not {self.value!r}")


def model_card(
    network: str | None,
    state: Mapping[str, Tensor],
    ticket: TicketContents | None,
    scores: Sequence[Score],
    *,
    license: str | None,
    description: str,
) -> str:
    """README.md: metadata in YAML, then text and tables in Markdown.

    Args:
        network: its name in `build_network`, or None.
        state: of the ordinary network.
        ticket: what is in its ticket, if there is one.
    """
    title = f"{network or 'A network'}{' of random weights (slot machine)' if ticket else ''}"
    parts = [
        _metadata(title, scores, license),
        f"# {title}",
        description.strip(),
        _what(ticket),
        _scores(scores),
        _numbers(state, ticket),
        _use(network, ticket),
        f"Made with slotmachines, a library for the method of Aladago and Torresani ([ICML 2021]({_PAPER})).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(title: str, scores: Sequence[Score], license: str | None) -> str:
    """YAML, in which each value is written as JSON: that is YAML too, and needs no library."""
    lines = ["---", "library_name: slotmachines", "tags: [slot-machines, random-weights]"]
    if license:
        lines.append(f"license: {_yaml(license)}")
    if scores:
        results = [
            {
                "task": {"type": "image-classification"},
                "dataset": {"type": score.dataset, "name": score.dataset, "split": score.split},
                "metrics": [{"type": score.metric, "value": score.value}],
            }
            for score in scores
        ]
        lines += ["model-index:", f"- name: {_yaml(title)}", f"  results: {_yaml(results)}"]
    return "\n".join([*lines, "---"])


def _yaml(value: object) -> str:
    return json.dumps(value)


def _what(ticket: TicketContents | None) -> str:
    if ticket is None:
        return ""
    return (
        f"The selected weights were never trained. Each of {ticket.connections:,} connections has K fixed random "
        "values that follow from a seed, and training chose which of them to use. `ticket.safetensors` holds the seed "
        "and the choice; `model.safetensors` holds the same weights as ordinary numbers."
    )


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return "No accuracy was given when this folder was written."
    lines = ["| dataset | part | examples | metric | value |", "| --- | --- | ---: | --- | ---: |"]
    for score in scores:
        cells = (score.dataset, score.split, f"{score.count:,}", score.metric, f"{score.value:.2f}")
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    notes = [f"{score.dataset}: {' '.join(score.note.split())}" for score in scores if score.note]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _numbers(state: Mapping[str, Tensor], ticket: TicketContents | None) -> str:
    if ticket is None:
        count = sum(value.numel() for value in state.values())
        return f"The network has {count:,} numbers in {len(state)} tensors."
    lines = ["| weight | shape | K | options used | bits |", "| --- | --- | ---: | ---: | ---: |"]
    for row in ticket.rows:
        shape = "x".join(map(str, row.shape)) or "1"
        cells = (
            (row.name, shape, f"{row.options:,}", f"{row.used:,}", f"{row.bits:,}")
            if row.options is not None
            else (row.name, shape, "as it is", "", f"{row.bits:,}")
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"The ticket has {ticket.file_bytes:,} bytes; the same numbers as float32 have {ticket.float32_bytes:,}.",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _use(network: str | None, ticket: TicketContents | None) -> str:
    module = "" if network else ", network"
    before = [] if network else ["network = ...  # the network that was trained, in PyTorch"]
    code = ["from slotmachines import load_model_folder", "", *before]
    code.append(f'network = load_model_folder("path/to/this/folder"{module})')
    text = "\n".join(["## Use", "", "```python", *code, "```"])
    if ticket:
        text += "\n\nWith `ticket.safetensors` and `config.json` alone the same call gives the same bits."
    return text
