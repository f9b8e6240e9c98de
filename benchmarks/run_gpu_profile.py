"""Profile training steps on a GPU in ten minutes: python -m benchmarks.run_gpu_profile profile.jsonl

It needs Python, PyTorch, and src and the project's folder on PYTHONPATH. The most important measurements come first;
each is written as it ends, as a line of JSON, and printed. One that fails says why, and the next one follows.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_groups import at_once
from benchmarks.gpu_processes import processes
from benchmarks.gpu_profile import Way, alone, profile, rival_graphs, smaller, together
from slotmachines.errors import UserError, one_line
from slotmachines.methods import RIVALS
from slotpipeline.planning.engine import Engine
from slotpipeline.training.device import prepare_device
from slotpipeline.training.provenance import provenance

Measurement = tuple[str, Way, Callable[[], dict[str, Any]]]
PLAIN, LAST = Engine(), Engine(channels_last=True)
SEARCH, BOTH = Engine(cudnn_benchmark=True), Engine(channels_last=True, cudnn_benchmark=True)
FUSED, EVALUATION = Engine(fused=True), Engine(captured_evaluation=True)
ALL = Engine(channels_last=True, cudnn_benchmark=True, fused=True, captured_evaluation=True)
COMPILED = Engine(channels_last=True, cudnn_benchmark=True, compiled=True)


def measurements(device: torch.device, *, tiny: bool) -> Iterator[Measurement]:
    """What is measured, the most important first."""
    steps = 2 if tiny else 100
    seconds = 0.5 if tiny else 5.0
    networks = ("conv2",) if tiny else ("conv6", "conv2")

    def way(network: str, **more: Any) -> Way:
        one = Way(network, **more)
        return smaller(one, 4, 12) if tiny else one

    def timed(one: Way) -> Measurement:
        return "alone", one, lambda: alone(one, device, steps)

    def profiled(one: Way) -> Measurement:
        return "profile", one, lambda: profile(one, device, min(steps, 20))

    for network in networks:
        yield from (timed(way(network)), profiled(way(network)))
        for engine in (BOTH, FUSED, LAST, SEARCH):
            yield timed(way(network, engine=engine))
        if not tiny:  # what a processor cannot do
            yield from (timed(way(network, engine=engine)) for engine in (ALL, EVALUATION))
            yield profiled(way(network, engine=ALL))
        yield profiled(way(network, engine=BOTH))
        yield timed(way(network, engine=BOTH, precision="bfloat16"))
    for network, engine in product(networks, (PLAIN, BOTH)):
        one = way(network, engine=engine)
        yield "three together", one, lambda one=one: together(one, device, steps)  # type: ignore[misc]
        yield "three processes", one, lambda one=one: processes(one, device, seconds)  # type: ignore[misc]
    for network, engine in product(networks, (Engine(branches=True), Engine(branches=True, fused=True))):
        one = way(network, engine=engine)
        yield "four branches", one, lambda one=one: at_once(one, device, steps, 4)  # type: ignore[misc]
    for engine in (Engine(stacked=True), Engine(stacked=True, fused=True)):
        one = way("lenet", engine=engine)
        yield "stack of sixteen", one, lambda one=one: at_once(one, device, steps, 16)  # type: ignore[misc]
    for method in RIVALS:
        one = way("lenet" if tiny else "conv2", method=method)
        yield "rival as a graph", one, lambda one=one: rival_graphs(one, device, min(steps, 30))  # type: ignore[misc]
    if tiny:
        return
    lenet = way("lenet")
    yield "eight together", lenet, lambda: together(lenet, device, steps, count=8)
    yield "eight processes", lenet, lambda: processes(lenet, device, seconds, count=8)
    for network in ("lenet", "conv4", "vgg19"):
        yield from (timed(way(network, engine=engine)) for engine in (PLAIN, BOTH, FUSED))
        yield profiled(way(network))
        yield timed(way(network, method="learned"))
    yield profiled(way("conv6", engine=BOTH, precision="bfloat16"))
    for network, precision in (("conv6", "float32"), ("conv6", "bfloat16"), ("conv2", "float32")):
        yield timed(way(network, engine=COMPILED, precision=precision))  # half a minute each to compile
    yield profiled(way("conv6", engine=COMPILED))


def main(words: Sequence[str]) -> None:
    """Measure, up to the deadline.

    Raises:
        UserError: there is no such device, or the file cannot be written.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path, help="the file of results, a line of JSON per measurement; it is added to")
    parser.add_argument(
        "--device", default="cuda", help="cuda, or cpu: a few tiny measurements that show that it works"
    )
    parser.add_argument("--minutes", type=float, default=9.5, help="begin nothing new after so many")
    parser.add_argument("--only", default="", help="measurements whose name or network contains this")
    asked = parser.parse_args(words)
    device = prepare_device(asked.device, 1, asked.device.startswith("cuda"))
    whole = provenance(device)
    origin = {name: whole[name] for name in ("device", "torch", "cuda", "commit")}
    deadline, left, known = time.monotonic() + 60 * asked.minutes, 0, measured(asked.output)
    for what, way, measure in measurements(device, tiny=device.type != "cuda"):
        about = {"what": what, "network": way.network, "method": way.method, "engine": way.words}
        if (asked.only not in what and asked.only not in way.network) or (*about.values(), origin["device"]) in known:
            continue
        if time.monotonic() > deadline:
            left += 1
            continue
        begin = time.monotonic()
        try:
            found = measure()
        except Exception as error:  # the machine is lent for minutes: the next measurement may work
            found = {"error": f"{type(error).__name__}: {one_line(error)}"[:300]}
        line = {**about, **found, "took_seconds": round(time.monotonic() - begin, 1), **origin}
        try:
            with asked.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise UserError(f"cannot write {asked.output}: {error.strerror}") from None
        print(_readable(about, found), flush=True)
        if device.type == "cuda":
            leave_nothing(device)
    print(f"{left} measurements were left out at the deadline" if left else "all was measured")


def measured(path: Path) -> set[tuple[str, ...]]:
    """What, network, method, engine and device of the measurements that a file holds, failed ones included.

    Raises:
        UserError: the file holds something else.
    """
    if not path.exists():
        return set()
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {tuple(line[name] for name in ("what", "network", "method", "engine", "device")) for line in lines}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} holds no measurements ({one_line(error)}); give another file") from None


def leave_nothing(device: torch.device) -> None:
    """Give the memory back for the next measurement.

    Raises:
        UserError: the last measurement left the GPU in a state in which nothing works.
    """
    try:
        torch.cuda.synchronize(device)
        gc.collect()
        torch.cuda.empty_cache()
    except RuntimeError as error:
        raise UserError(f"the GPU failed ({one_line(error)}); call the same command again to go on") from None


def _readable(about: dict[str, str], found: dict[str, Any]) -> str:
    title = " ".join([about["network"], about["method"], f"[{about['engine'] or 'default'}]", f"{about['what']}:"])
    if "shares" in found:
        kinds = ", ".join(f"{kind} {100 * share:.1f}%" for kind, share in found["shares"].items())
        return f"{title} {found['kernels_per_step']:.0f} kernels a step; {kinds}"
    return f"{title} " + ", ".join(f"{name} {_short(value)}" for name, value in found.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"run_gpu_profile: {error}")
