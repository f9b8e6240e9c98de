"""Time the training step of this source tree beside that of an older one, and compare what both have selected."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer

from benchmarks.batches import fetched_dataset
from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotpipeline.command import run
from slotpipeline.training.provenance import provenance

HERE = Path(__file__).resolve().parents[1]
NETWORKS = "conv2,conv4,conv6"
_FIRST = 5  # steps before the first one that is timed


class Tree:
    """A process that trains with the code of one source tree."""

    def __init__(self, tree: Path, network: str, options: int, data: Path) -> None:
        command = [sys.executable, str(HERE / "benchmarks/one_tree.py"), str(tree), network, str(options), str(data)]
        environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tree
        )
        self._answer()

    def seconds(self, steps: int) -> list[float]:
        """Train: the seconds of each step."""
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        answer: list[float] = self._answer()
        return answer

    def selections(self) -> str:
        """End the process: what tells its selections apart."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        answer: str = self._answer()
        self._process.wait()
        return answer

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise UserError("the training of a source tree ended; its error stands above")
        return json.loads(line)


def compare(old: Path, network: str, options: int, data: Path, repeats: int, steps: int) -> dict[str, Any]:
    """Both trees train on the same batches and take turns, the first of which rotates."""
    trees = {"old": Tree(old, network, options, data), "new": Tree(HERE, network, options, data)}
    for tree in trees.values():
        tree.seconds(_FIRST)
    times: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(repeats):
        for name in sorted(trees, reverse=bool(number % 2)):
            times[name].append(statistics.median(trees[name].seconds(steps)))
    low, middle, high = np.quantile(np.array(times["old"]) / np.array(times["new"]), [0.25, 0.5, 0.75]).tolist()
    selections = {tree.selections() for tree in trees.values()}
    return {
        "network": network,
        "options": options,
        "faster": middle,
        "faster_low": low,
        "faster_high": high,
        "old_ms": 1000 * statistics.median(times["old"]),
        "new_ms": 1000 * statistics.median(times["new"]),
        "same_selections": len(selections) == 1,
        "steps": _FIRST + repeats * steps,
        "repeats": repeats,
        "load": os.getloadavg()[0],
    }


def command(
    output: Annotated[Path, typer.Argument(help="the CSV file to write")],
    old: Annotated[Path, typer.Argument(help="the older source tree, as git worktree makes one")],
    networks: Annotated[str, typer.Option(help="the networks, separated by commas")] = NETWORKS,
    options: Annotated[int, typer.Option(help="K")] = 8,
    repeats: Annotated[int, typer.Option(help="turns of each tree")] = 9,
    steps: Annotated[int, typer.Option(help="steps of a turn")] = 3,
    data: Annotated[Path, typer.Option(help="the folder of fetched datasets")] = Path("data"),
) -> None:
    """Greedy slot machines on CIFAR-10, with the step of training that each tree has, in as many threads as here."""
    if not (old / "src").is_dir():
        raise UserError(f"{old} is no source tree of this project; make one: git worktree add {old} COMMIT")
    wrong = [name for name in networks.split(",") if fetched_dataset(name, data)[0] != "cifar10"]
    if wrong:
        raise UserError(f"{wrong[0]} is not trained on CIFAR-10 here; fetch that first: slotmachines fetch cifar10")
    commit = subprocess.run(["git", "-C", str(old), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    origin = {**provenance(torch.device("cpu")), "old_commit": commit}
    rows = [
        {**compare(old.resolve(), name, options, data.resolve(), repeats, steps), **origin}
        for name in networks.split(",")
    ]
    table = pd.DataFrame(rows)
    if output.exists():
        before = pd.read_csv(output)
        key = ["network", "options", "threads"]
        measured = table.set_index(key).index
        table = pd.concat([before[~before.set_index(key).index.isin(measured)], table], ignore_index=True)
    with replacing(output) as temporary:
        table.to_csv(temporary, index=False, float_format="%.5g")


if __name__ == "__main__":
    run(command)
