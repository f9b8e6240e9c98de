"""Where the time of a training step goes on a GPU, and what would change it: for `benchmarks.run_gpu_profile`.

Images are random, as only time is looked at. Nothing here needs more than PyTorch and what training itself needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.kernel_shares import Kernel, longest, shares
from slotmachines.networks.names import find_network
from slotmachines.rivals.apply import begin_epoch_
from slotpipeline.data import ImageSet, Splits
from slotpipeline.data.datasets import DATASETS
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine
from slotpipeline.runs.authors_recipes import AUTHORS_RECIPES
from slotpipeline.runs.run import Run, make_run
from slotpipeline.training.evaluation import CapturedSums, sums
from slotpipeline.training.start import starting_network
from slotpipeline.training.step import TrainingStep

RECIPE = "paper-glorot"
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Way:
    """One way to train: a network, a method, how a step is computed and in which precision.

    Attributes:
        batch: images per step; None for that of the recipe.
        images: to train on.
    """

    network: str
    method: str = "greedy"
    engine: Engine = DEFAULT_ENGINE
    precision: str = "float32"
    batch: int | None = None
    images: int = 45_000

    @property
    def words(self) -> str:
        """The way for readers, without its network."""
        return "+".join(filter(None, (self.engine.words, "" if self.precision == "float32" else self.precision)))

    @property
    def run(self) -> Run:
        """A run of seed 0 that is trained so."""
        changes: dict[str, Any] = {"precision": self.precision}
        changes |= {"batch_size": self.batch} if self.batch else {}
        shape = find_network(self.network).input_shape
        dataset = next(one.name for one in DATASETS.values() if one.shape == shape)
        options = 8 if self.method in ("greedy", "probabilistic") else None
        recipe = AUTHORS_RECIPES.get(self.method, RECIPE)
        return make_run(
            network=self.network, dataset=dataset, method=self.method, options=options, seed=0, recipe=recipe,
            changes=changes,
        )  # fmt: skip


class Steps:
    """A way of training on a device, ready to take steps."""

    def __init__(self, way: Way, device: torch.device, *, cuda_graph: bool | None = None) -> None:
        """`cuda_graph`: None for graphs wherever there is a GPU."""
        torch.manual_seed(0)
        run = way.run
        is_gpu = device.type == "cuda"
        self.device, self.batch = device, run.settings.batch_size
        self.data = random_images(find_network(way.network).input_shape, way.images, device)
        self.network: nn.Module = starting_network(run, device, None).train()
        begin_epoch_(self.network, 1)
        self._rate = run.settings.learning_rate
        graph = is_gpu if cuda_graph is None else cuda_graph
        self.step = TrainingStep(self.network, run.settings, self.data, cuda_graph=graph, engine=way.engine)
        self._order = torch.randperm(way.images, device=device)
        self._next = 0

    def take(self, count: int) -> None:
        """Take steps, each on other images, without waiting for the device."""
        for _ in range(count):
            if self._next + self.batch > len(self._order):
                self._next = 0
            self.step(self._order[self._next : self._next + self.batch], self._rate)
            self._next += self.batch


def random_images(shape: tuple[int, int, int], count: int, device: torch.device) -> Splits:
    """Random images of 10 classes: `count` to train on, and a third of that (15,000 of 45,000) to evaluate on."""

    def part(size: int) -> ImageSet:
        images = torch.randint(256, (size, *shape), dtype=torch.uint8, device=device)
        return ImageSet(images, torch.randint(10, (size,), device=device))

    mean, std = (torch.full((shape[0], 1, 1), value, device=device) for value in (0.45, 0.25))
    return Splits(part(count), part(1), part(max(1, count // 3)), mean, std, note="", digest="")


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def algorithm_search(way: Way) -> Iterator[None]:
    """Whether cuDNN tries its algorithms, as `prepare_device` has it for a run of this way."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = way.engine.cudnn_benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def seconds_per_step(take: Callable[[int], None], device: torch.device, steps: int, rounds: int = 5) -> float:
    """The median over rounds of the seconds of a step, once warm."""
    take(5)  # three before a capture, the capture, a replay
    wait(device)
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        take(steps)
        wait(device)
        found.append((time.perf_counter() - begin) / steps)
    return median(found)


# Alone, together, and in processes of their own


def alone(way: Way, device: torch.device, steps: int) -> dict[str, Any]:
    """Milliseconds of a step and of evaluation, seconds of an epoch, and the memory that it takes."""
    with algorithm_search(way):
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        ready = Steps(way, device)
        step = seconds_per_step(ready.take, device, steps)

        network, data, last = ready.network, ready.data, way.engine.channels_last
        captured = CapturedSums(network, [data.test], data, channels_last=last)

        def evaluate(count: int) -> None:
            for _ in range(count):
                if way.engine.captured_evaluation:
                    captured()
                else:
                    sums(network, data.test, data, channels_last=last)

        evaluation = seconds_per_step(evaluate, device, 1, rounds=3)
        memory = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
    epoch = -(-len(ready.data.train) // ready.batch) * step + evaluation
    return {
        "step_ms": 1000 * step, "evaluation_ms": 1000 * evaluation, "epoch_seconds": epoch, "peak_mib": memory,
    }  # fmt: skip


def together(way: Way, device: torch.device, steps: int, count: int = 3) -> dict[str, Any]:
    """Several runs in one process, each with its own stream and graph: milliseconds of a step, per run."""
    streams = [torch.cuda.Stream(device) if device.type == "cuda" else None for _ in range(count)]
    with algorithm_search(way):
        runs = []
        for stream in streams:
            with _on(stream):
                runs.append(Steps(way, device))
                wait(device)

        def take(number: int) -> None:
            for _ in range(number):
                for stream, one in zip(streams, runs, strict=True):
                    with _on(stream):
                        one.take(1)

        step = seconds_per_step(take, device, steps)
    return {"step_ms": 1000 * step / count}


def _on(stream: torch.cuda.Stream | None) -> Any:
    return nullcontext() if stream is None else torch.cuda.stream(stream)


# Kernel by kernel


def profile(way: Way, device: torch.device, steps: int) -> dict[str, Any]:
    """Shares of the kinds of kernels in some steps, kernels per step, and the names of the longest ones.

    Raises:
        RuntimeError: the profiler saw no kernel.
    """
    with algorithm_search(way):
        ready = Steps(way, device)
        ready.take(6)
        wait(device)
        _kernels(ready, device, 1)  # the profiler takes its time to start
        kernels = _kernels(ready, device, steps)
    if not kernels:
        raise RuntimeError("the profiler saw no kernel: this machine may not allow it")
    return {
        "shares": {kind: round(share, 4) for kind, share in shares(kernels).items()},
        "kernels_per_step": len(kernels) / steps,
        "longest_ms_per_step": {name[:100]: 1000 * sec / steps for name, sec in longest(kernels, _NAMES_SHOWN)},
    }


def _kernels(ready: Steps, device: torch.device, steps: int) -> list[Kernel]:
    """What the device did in some steps; on a processor the outermost operations of PyTorch."""
    from torch.profiler import ProfilerActivity

    is_gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if is_gpu else ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity]) as profiler:
        ready.take(steps)
        wait(device)
    found = [one for one in profiler.events() or [] if not one.is_user_annotation]
    events = [one for one in found if one.device_type.name == ("CUDA" if is_gpu else "CPU")]
    if not is_gpu:
        events = [one for one in events if one.cpu_parent is None]
    micro = 1e-6
    return [Kernel(one.name, one.time_range.start * micro, one.time_range.end * micro) for one in events]


# Rivals with graphs


def rival_graphs(way: Way, device: torch.device, steps: int) -> dict[str, Any]:
    """A rival trained step by step twice, and as a graph: seconds of a step, and how far the trained numbers differ.

    A GPU that is free to choose may round the same step differently. cuDNN is therefore held to algorithms that repeat
    themselves; what two plain trainings differ by is told beside what the graph differs by.
    """
    found: dict[str, Any] = {}
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        ends = []
        for name, graph in (("single", False), ("again", False), ("graph", device.type == "cuda")):
            ready = Steps(way, device, cuda_graph=graph)
            torch.manual_seed(1)
            ready.take(steps)
            wait(device)
            ends.append((_trained(ready.network), ready.step.loss_sum.item()))
            if name != "again":
                found[f"{name}_ms"] = 1000 * seconds_per_step(ready.take, device, steps, rounds=3)
    finally:
        torch.backends.cudnn.deterministic = before
    (plain, loss), (again, other), (graphed, third) = ends
    return found | {
        "difference_again": _difference(plain, again), "difference_graph": _difference(plain, graphed),
        "loss_again": abs(loss - other) / abs(loss), "loss_graph": abs(loss - third) / abs(loss),
    }  # fmt: skip


def _trained(network: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in network.state_dict().values() if value.is_floating_point()]


def _difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference of two states, by the largest number of its tensor; 0 for the same bits."""
    sizes = [one.abs().max().clamp_min(1e-30) for one in ours if one.numel()]
    gaps = [(one - other).abs().max() for one, other in zip(ours, theirs, strict=True) if one.numel()]
    return float(max((gap / size for gap, size in zip(gaps, sizes, strict=True)), default=torch.zeros(())))


def smaller(way: Way, batch: int, images: int) -> Way:
    """A way with less work in a step, for a processor."""
    return replace(way, batch=batch, images=images)
