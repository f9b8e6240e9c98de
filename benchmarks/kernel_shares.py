"""What kind of work the kernels of a GPU do, by their names, and how long the GPU waits between them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

KINDS: Sequence[tuple[str, str]] = (
    # The first pattern that is found in a name, in lower case, decides. Names of operations of PyTorch stand in for
    # those of kernels on a processor.
    ("conversion nchw/nhwc", r"nchwtonhwc|nhwctonchw|nchw2nhwc|nhwc2nchw|convert_?tensor|tensor_?transform|transpose"),
    ("selection", r"select_best|select_sample|best_option|try_proposals|locate_kernel|slotmachines::"),
    ("optimiser", r"multi_tensor_apply|fusedsgd|fused_sgd|fusedadam|fused_adam|optimizer"),
    ("pooling", r"max_?pool"),
    ("convolution", r"conv|fprop|dgrad|wgrad|winograd|fft|implicit|mkldnn"),
    ("matrix product", r"gemm|gemv|splitk|cublas|cutlass|nvjet|xmma|::mm|::addmm|::linear|::matmul"),
    ("random numbers, dropout", r"dropout|philox|distribution|bernoulli|aten::rand|random"),
    ("loss and counts", r"softmax|nll_loss|cross_entropy|argmax|reduce_kernel|aten::sum|aten::eq"),
    ("gathering images", r"index|gather|scatter|aten::flip|arange|pad"),
    ("copies and zeros", r"memcpy|memset|copy|fill|zero"),
    ("elementwise", r"elementwise|threshold|relu|aten::(add|mul|div|sub|where|lt|to|clamp)|triton|fused"),
)
OTHER, GAPS = "other", "gaps"


@dataclass(frozen=True)
class Kernel:
    """One kernel on a GPU's time line; times in seconds."""

    name: str
    begin: float
    end: float


def kind_of(name: str) -> str:
    """What a kernel of this name does."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, name.lower())), OTHER)


def shares(kernels: Sequence[Kernel]) -> dict[str, float]:
    """Kind -> share of the time from the first kernel to the last, largest first; gaps: when none was at work.

    Kernels at work at the same time share it, so that the shares sum to 1. Empty without kernels.
    """
    if not kernels:
        return {}
    marks = sorted({moment for one in kernels for moment in (one.begin, one.end)})
    waiting = sorted(kernels, key=lambda one: one.begin)
    found: dict[str, float] = defaultdict(float)
    at_work: list[Kernel] = []
    for begin, end in pairwise(marks):
        at_work = [one for one in at_work if one.end > begin]
        while waiting and waiting[0].begin <= begin:
            at_work.append(waiting.pop(0))
        at_work = [one for one in at_work if one.end > begin]
        for one in at_work:
            found[kind_of(one.name)] += (end - begin) / len(at_work)
        if not at_work:
            found[GAPS] += end - begin
    total = marks[-1] - marks[0]
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    return {kind: seconds / total for kind, seconds in ordered} if total else {}


def longest(kernels: Iterable[Kernel], count: int) -> list[tuple[str, float]]:
    """The kernels that took longest in total, by name, with their seconds: to see what `KINDS` does not know."""
    seconds: dict[str, float] = defaultdict(float)
    for one in kernels:
        seconds[one.name] += one.end - one.begin
    return sorted(seconds.items(), key=lambda pair: -pair[1])[:count]
