"""Train a slot machine of one source tree, as many steps at a time as standard input asks for.

`benchmarks.run_source_trees` starts it by its path, with the tree on the path of modules; so it imports nothing of its
own tree, and knows the names of older ones.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

# Before the pipeline was a package of its own.
_BEFORE = {
    "slotpipeline.data.splits": "slotmachines.data.splits",
    "slotpipeline.runs.run": "slotmachines.replication.run",
    "slotpipeline.training.start": "slotmachines.training.network",
    "slotpipeline.training.step": "slotmachines.training.step",
}


def _tree_module(tree: Path, name: str) -> Any:
    name = name if (tree / "src/slotpipeline").exists() else _BEFORE[name]
    found = find_spec(name)
    if found is None or found.origin is None or not Path(found.origin).is_relative_to(tree):
        raise SystemExit(f"{name} is not that of {tree}")
    return import_module(name)


def _selections(network: nn.Module) -> str:
    """What tells the selected weights of two networks apart."""
    digest = hashlib.sha256()
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            weight: Any = layer.weight
            digest.update(weight.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def main(tree: Path, network_name: str, options: int, data_folder: Path) -> None:
    """Answer each number of steps by the seconds of each, and the end of the input by the selections."""
    make_run = _tree_module(tree, "slotpipeline.runs.run").make_run
    run = make_run(
        network=network_name, dataset="cifar10", method="greedy", options=options, seed=0, recipe="paper-glorot"
    )
    device = torch.device("cpu")
    network = _tree_module(tree, "slotpipeline.training.start").starting_network(run, device, None).train()
    data = _tree_module(tree, "slotpipeline.data.splits").load("cifar10", data_folder, (3, 32, 32), validation=5000)
    step = _tree_module(tree, "slotpipeline.training.step").TrainingStep(network, run.settings, data)
    torch.manual_seed(0)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter  # as in benchmarks.training_arms
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            indices = torch.randint(len(data.train), (run.settings.batch_size,))
            begin = clock()
            step(indices, run.settings.learning_rate)
            seconds.append(clock() - begin)
        print(json.dumps(seconds), flush=True)
    print(json.dumps(_selections(network)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
