"""A stream of random numbers for each of several runs that take turns on a device.

Dropout, augmentation and sampling take PyTorch's default generator, which a run alone seeds in each epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class OwnRandomness:
    """Where it is in use, PyTorch's default generator of the device has a state of its own.

    Attributes:
        generator: of a GPU, the holder of the state; a graph has to know it before its capture.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.generator = torch.Generator(device) if device.type == "cuda" else None
        self._state = torch.get_rng_state()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Seeds and draws within the block concern this stream alone."""
        if self.generator is None:
            others = torch.get_rng_state()
            torch.set_rng_state(self._state)
            try:
                yield
            finally:
                self._state = torch.get_rng_state()
                torch.set_rng_state(others)
            return
        # In a graph a state cannot be copied: the default generator points to another one.
        default = torch.cuda.default_generators[self._device.index or 0]
        before = default.graphsafe_get_state()
        default.graphsafe_set_state(self.generator.graphsafe_get_state())
        try:
            yield
        finally:
            default.graphsafe_set_state(before)
