"""Attach a selector to the layers that hold a weight, and detach it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.nn.utils import parametrize

from slotmachines.selectable import Selected, Selector, Site

_CALL = nn.Module.__call__  # which tracers replace


def select_by_(sites: Sequence[Site], selector: nn.Module) -> None:
    """Let `selector`, a `WeightSelector`, select the weight that some layers hold."""
    first, name = sites[0]
    # The check that `unsafe` leaves out would draw a sample, and so take numbers from torch's generator.
    parametrize.register_parametrization(first, name, selector, unsafe=True)
    for layer, tensor in sites[1:]:
        parametrize.register_parametrization(layer, tensor, nn.Identity(), unsafe=True)
        layer.parametrizations[tensor] = first.parametrizations[name]
    for layer in {id(layer): layer for layer, _ in sites}.values():
        _refuse_assignment(layer)
        if isinstance(layer, nn.RNNBase):
            _select_in_forward(layer)
    for layer, tensor in sites:
        _shorten(layer, tensor)


def deselect_(selected: Selected[Selector], weight: Tensor) -> None:
    """Make a selected weight an ordinary parameter, of the numbers `weight`, in every layer that holds it."""
    for layer, tensor in selected.sites:
        # A deep copy shares the class of its layer, whose property for the weight is about to be deleted.
        shared = type(layer)
        layer.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
        parametrize.remove_parametrizations(layer, tensor, leave_parametrized=False)
        if isinstance(layer, nn.RNNBase):
            layer._init_flat_weights()
    parameter: nn.Parameter = getattr(selected.layer, selected.tensor)
    parameter.data.copy_(weight)
    parameter.grad = None


def _shorten(layer: nn.Module, tensor: str) -> None:
    """Let the selector be called at once wherever that is all that PyTorch would do, in as much time as it takes."""
    kind: Any = type(layer)  # made for this layer by register_parametrization
    found: property = vars(kind)[tensor]
    ordinary: Any = found.fget

    def weight(self: nn.Module) -> Tensor:
        is_traced = nn.Module.__call__ is not _CALL or torch._C._get_tracing_state() is not None
        if torch.compiler.is_compiling() or parametrize._cache_enabled or is_traced:
            return ordinary(self)  # type: ignore[no-any-return]
        modules: Any = self._modules["parametrizations"]
        made = modules._modules[tensor]
        hooked = made._forward_hooks or made._forward_pre_hooks or made._backward_hooks or made._backward_pre_hooks
        trained = made._parameters.get("original")  # a replica of DataParallel has none
        if hooked or trained is None or len(made._modules) > 1 or _has_any_global_hook():
            return ordinary(self)  # type: ignore[no-any-return]
        return made._modules["0"](trained)  # type: ignore[no-any-return]

    setattr(kind, tensor, property(weight, found.fset))


def _refuse_assignment(layer: nn.Module) -> None:
    """Let the assignment of a parameter to a selected weight end in one clear line."""
    kind: Any = type(layer)  # made for this layer by register_parametrization
    ordinary = _ordinary_class(layer).register_parameter

    def register_parameter(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if parametrize.is_parametrized(self, name):
            raise RuntimeError(
                f"the parameter {name!r} is selected, not assigned; call bake_ first, or tie and fuse layers "
                "before slotify_ or mask_"
            )
        ordinary(self, name, param)

    kind.register_parameter = register_parameter


def _ordinary_class(layer: nn.Module) -> Any:
    return parametrize.type_before_parametrizations(layer)


def _select_in_forward(layer: nn.RNNBase) -> None:
    """Let a recurrent layer, which keeps a list of its weights, select them once in each forward pass.

    The list is empty in between, because selected weights are part of a graph, which cannot be copied.
    """
    kind: Any = type(layer)
    ordinary = _ordinary_class(layer).forward

    def forget(self: nn.RNNBase) -> None:
        self._flat_weights = [None] * len(self._flat_weights_names)

    def select(self: nn.RNNBase) -> None:
        self._flat_weights = [getattr(self, name) for name in self._flat_weights_names]

    def forward(self: nn.RNNBase, *inputs: Any, **more: Any) -> Any:
        try:
            return ordinary(self, *inputs, **more)
        finally:
            forget(self)

    kind.forward, kind._update_flat_weights, kind._init_flat_weights = forward, select, forget
    forget(layer)
