"""One way of training a network, step by step, and the seconds that its steps take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cases import OPTIONS, Case, make_slots_
from slotpipeline.runs.recipe import Settings

Batch = tuple[Tensor, Tensor]
"""Normalised images (N, C, H, W) and their labels (N,)."""

_STEPS_BEFORE_CAPTURE = 3  # in which cuDNN chooses its algorithms, and SGD makes its momentum


class Training:
    """A network and its optimiser, SGD with the settings of the recipe at a constant learning rate."""

    def __init__(self, network: nn.Module, settings: Settings) -> None:
        self.network = network.train()
        self.optimiser = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self._graph: torch.cuda.CUDAGraph | None = None

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Forward, backward and update on one batch; the loss, a scalar."""
        if self._graph is not None:
            self._images.copy_(images)
            self._labels.copy_(labels)
            self._graph.replay()
            return self._loss
        self.optimiser.zero_grad()
        loss = functional.cross_entropy(self.network(images), labels)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def capture(self, images: Tensor, labels: Tensor) -> None:
        """From now on a step replays one CUDA graph."""
        self._images, self._labels = images.clone(), labels.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_STEPS_BEFORE_CAPTURE):
                self.step(images, labels)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._loss = self.step(self._images, self._labels)
        self._graph = graph

    def go_on_from(self, other: Training) -> None:
        """Take over what another training of an equal network has reached, in place, where a graph expects it."""
        with torch.no_grad():
            for mine, theirs in zip(self.network.parameters(), other.network.parameters(), strict=True):
                mine.copy_(theirs)
                momentum = other.optimiser.state[theirs]["momentum_buffer"]
                self.optimiser.state[mine]["momentum_buffer"].copy_(momentum)

    def seconds(self, batches: Sequence[Batch]) -> list[float]:
        """Train on the batches: the seconds of each step, on a GPU those that the GPU took.

        In one thread they are those that the processor worked, without those in which it worked for others.
        """
        if batches[0][0].is_cuda:
            events = [torch.cuda.Event(enable_timing=True) for _ in range(len(batches) + 1)]
            events[0].record()
            for event, batch in zip(events[1:], batches, strict=True):
                self.step(*batch)
                event.record()
            torch.cuda.synchronize()
            return [begin.elapsed_time(end) / 1000 for begin, end in pairwise(events)]
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        marks = [clock()]
        for batch in batches:
            self.step(*batch)
            marks.append(clock())
        return [end - begin for begin, end in pairwise(marks)]


def train_small(case: Case, device: torch.device) -> None:
    """Compile and load what is loaded once, by training a small network in every way of a case."""
    small = replace(case, options=min(case.options, OPTIONS[0]))
    for method in case.methods(on_gpu=device.type == "cuda"):
        network = nn.Sequential(nn.Conv2d(1, 32, 3), nn.Flatten(), nn.Linear(1152, 100)).to(device)
        training = Training(make_slots_(network, small, method), small.settings(method))
        for _ in range(2):
            training.step(torch.rand(4, 1, 8, 8, device=device), torch.zeros(4, dtype=torch.int64, device=device))
