"""How a step of training is computed: it changes a run's speed and rounding, and is no part of its identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from slotmachines.errors import UserError
from slotmachines.methods import find_method
from slotpipeline.runs.run import Run


@dataclass(frozen=True)
class Engine:
    """Ways to compute a step that may be faster on a GPU; all are off until a GPU has shown that they are.

    Attributes:
        channels_last: images and activations have their channels last in memory, as tensor cores want them. Trained
            numbers stay in row-major order, so that a slot machine selects the same bits; each convolution turns its
            weights, which are small beside the activations.
        cudnn_benchmark: cuDNN tries its algorithms for each convolution, and takes the fastest.
        compiled: torch.compile fuses what lies between convolutions and products. Not for rivals.
        fused: one kernel selects the weights of all layers, one makes a batch of images, one adds up loss and correct
            answers. The bits stay the same. Not together with `compiled`.
        captured_evaluation: the evaluation after an epoch is one CUDA graph; it needs a GPU. The bits stay the same.
        stacked: LeNets that stand next to each other in a plan for `train-all`, and differ in seed and K only, are
            trained at the same time, by products of stacks of matrices. Rounding may differ. Not with `compiled`.
        branches: the same of any network that is no rival's: each run is a branch of one CUDA graph. The bits stay the
            same.
    """

    channels_last: bool = False
    cudnn_benchmark: bool = False
    compiled: bool = False
    fused: bool = False
    captured_evaluation: bool = False
    stacked: bool = False
    branches: bool = False

    @property
    def is_together(self) -> bool:
        """Whether several runs are trained at the same time."""
        return self.stacked or self.branches

    def without(self, names: Iterable[str]) -> Engine:
        """The same with these off."""
        return replace(self, **{_field(name): False for name in names})

    @property
    def words(self) -> str:
        """The names of what is on, joined by "+"; blank for the default."""
        return "+".join(name for name in ENGINE_NAMES if getattr(self, _field(name)))


DEFAULT_ENGINE = Engine()
ENGINE_NAMES = tuple(field.name.replace("_", "-") for field in fields(Engine))


def _field(name: str) -> str:
    return name.replace("-", "_")


def engine_of(names: Iterable[str]) -> Engine:
    """The engine in which these are on.

    Raises:
        UserError: an unknown name, or two that exclude each other.
    """
    names = list(names)
    if unknown := [name for name in names if name not in ENGINE_NAMES]:
        raise UserError(f"unknown engine {unknown[0]!r}; use some of {', '.join(ENGINE_NAMES)}")
    for one, other in (("compiled", "fused"), ("compiled", "stacked"), ("stacked", "branches")):
        if {one, other} <= set(names):
            raise UserError(f"engines {one} and {other} exclude each other; leave out one of them")
    return Engine(**{_field(name): True for name in names})


def misfits(run: Run, engine: Engine) -> dict[str, str]:
    """What is on and cannot train a run: name of a way to compute a step -> why not, in words."""
    is_rival = bool(find_method(run.method).rule)
    why = {
        "compiled": f"{run.method} cannot be trained compiled" if is_rival else "",
        "stacked": _no_stack(run),
        "branches": f"{run.method} cannot be a branch of a graph with others" if is_rival else "",
    }
    return {name: words for name, words in why.items() if words and getattr(engine, _field(name))}


def require_fit(run: Run, engine: Engine) -> None:
    """Refuse an engine that cannot train a run.

    Raises:
        UserError: it cannot.
    """
    for name, why in misfits(run, engine).items():
        raise UserError(f"{why}; leave out --engine {name}")


DENSE = ("lenet",)
"""The networks of dense layers without biases."""


def _no_stack(run: Run) -> str:
    """Why a run cannot be stacked with others; blank if it can.

    What is drawn at random in a step would have to be drawn for each network as if it were alone.
    """
    if run.network not in DENSE:
        return "only networks of dense layers without biases, such as lenet, can be stacked"
    if run.method not in ("greedy", "learned"):
        return f"only greedy and learned networks can be stacked, not {run.method} ones"
    if run.settings.augmentation != "none" or run.settings.precision != "float32":
        return "only training without augmentation and in float32 can be stacked"
    return ""
