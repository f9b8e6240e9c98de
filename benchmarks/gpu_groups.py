"""Training steps of several runs at once, as a stack or as branches of one graph: for `benchmarks.run_gpu_profile`."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu_profile import Way, algorithm_search, random_images, seconds_per_step
from slotmachines.networks.names import find_network
from slotpipeline.runs.run import with_seed
from slotpipeline.training.branched_step import BranchedStep
from slotpipeline.training.loop import Trainer
from slotpipeline.training.own_randomness import OwnRandomness
from slotpipeline.training.stacked_step import StackedStep
from slotpipeline.training.start import starting_network


def at_once(way: Way, device: torch.device, steps: int, count: int) -> dict[str, Any]:
    """Several runs in one step, as the engine of the way says: milliseconds of a step, per run."""
    graph = device.type == "cuda"
    with algorithm_search(way):
        data = random_images(find_network(way.network).input_shape, way.images, device)
        trainers = []
        for seed in range(count):
            run = with_seed(way.run, seed)
            network = starting_network(run, device, None).train()
            trainers.append(
                Trainer(network, run.settings, data, seed=seed, cuda_graph=graph, engine=way.engine)
            )  # fmt: skip
        if way.engine.stacked:
            step: StackedStep | BranchedStep = StackedStep(trainers, cuda_graph=graph)
        else:
            step = BranchedStep(trainers, [OwnRandomness(device) for _ in trainers], cuda_graph=graph)
        settings = trainers[0].settings
        batches = torch.randperm(way.images, device=device).split(settings.batch_size)
        full = [batch for batch in batches if len(batch) == settings.batch_size]

        def take(number: int) -> None:
            for index in range(number):
                step([full[(index + shift) % len(full)] for shift in range(count)], settings.learning_rate)

        seconds = seconds_per_step(take, device, steps)
    return {"step_ms": 1000 * seconds / count}
