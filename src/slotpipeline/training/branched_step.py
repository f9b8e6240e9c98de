"""One step of several runs, as branches of one CUDA graph, which a GPU works at side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from slotpipeline.training.capture import Capture
from slotpipeline.training.loop import Trainer
from slotpipeline.training.own_randomness import OwnRandomness


class BranchedStep:
    """Trains the networks of some trainers, all on a batch of their own: each to the bits that it has alone."""

    def __init__(
        self, trainers: Sequence[Trainer], randomness: Sequence[OwnRandomness], *, cuda_graph: bool
    ) -> None:  # fmt: skip
        """`trainers`: with the same number of images in a batch; `randomness`: of each; `cuda_graph` needs a GPU."""
        self._steps, self._randomness = [trainer.step for trainer in trainers], list(randomness)
        batch, device = trainers[0].settings.batch_size, trainers[0].data.train.labels.device
        self._device = device
        self._indices = torch.zeros(len(trainers), batch, dtype=torch.int64, device=device)
        generators = [one.generator for one in randomness if one.generator is not None]
        self._capture = Capture(device, generators=generators) if cuda_graph else None
        self._streams = [torch.cuda.Stream(device) if cuda_graph else None for _ in trainers]

    def __call__(self, indices: Sequence[Tensor], learning_rate: float) -> None:
        """Train each network on its training images of these numbers, int64, equally many of each."""
        for step in self._steps:
            step.set_rate(learning_rate)
        stacked = torch.stack(list(indices))
        if self._capture is None or stacked.shape != self._indices.shape:
            self._train(stacked)
        else:
            self._indices.copy_(stacked)
            self._capture.run(lambda: self._train(self._indices))

    def _train(self, indices: Tensor) -> None:
        """Each branch begins where all of them begin, and all end before the next step."""
        current = torch.cuda.current_stream(self._device) if self._capture is not None else None
        for step, randomness, stream, own in zip(self._steps, self._randomness, self._streams, indices, strict=True):
            if stream is not None and current is not None:
                stream.wait_stream(current)
            with _on(stream), randomness.in_use():
                step.train_on(own)
        for stream in self._streams:
            if stream is not None and current is not None:
                current.wait_stream(stream)


def _on(stream: torch.cuda.Stream | None) -> Any:
    return nullcontext() if stream is None else torch.cuda.stream(stream)
