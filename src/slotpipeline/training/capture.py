"""A function that a GPU repeats, as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch


class Capture:
    """Runs the same function again and again; after some calls, as a CUDA graph that is launched as a whole.

    The first calls run one operation after the other, as PyTorch asks for: in them libraries compile, choose algorithms
    and take memory. The next one is captured, and it and later ones replay that. So the function has to read and write
    the same tensors in each call.
    """

    def __init__(
        self, device: torch.device, calls_before: int = 3, generators: Sequence[torch.Generator] = ()
    ) -> None:  # fmt: skip
        """`generators`: what the function draws from, beside PyTorch's default one."""
        self._device = device
        self._generators = generators
        self._calls_left = calls_before
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream: torch.cuda.Stream | None = None

    @property
    def is_captured(self) -> bool:
        """Whether the next call is a replay."""
        return self._graph is not None

    def run(self, function: Callable[[], None]) -> None:
        """Run the function, without waiting for the GPU."""
        current = torch.cuda.current_stream(self._device)
        if self._stream is None:
            # Work space that libraries keep per stream must not be that of another graph: capture on the stream that
            # this training has to itself. The default stream cannot be captured.
            is_default = current == torch.cuda.default_stream(self._device)
            self._stream = torch.cuda.Stream(self._device) if is_default else current
        if self._calls_left:
            self._calls_left -= 1
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                function()
            current.wait_stream(self._stream)
            return
        if self._graph is None:
            graph = torch.cuda.CUDAGraph()
            for generator in self._generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph, stream=self._stream):  # records, and runs nothing
                function()
            self._graph = graph
        self._graph.replay()
