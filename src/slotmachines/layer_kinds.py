"""The kinds of layers whose weights can be selected: which tensors hold connections, and how many meet in a unit.

A handler answers both for one kind of layer. `register_layer` adds the handler of a kind of your own
(docs/extending.md). The registry is the only state that this library keeps between calls, because a kind of layer is a
class, which is the same for all networks of a process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.distributions import fans_of
from slotmachines.errors import UserError

Fans = tuple[int, int]
"""(fan_in, fan_out): the connections that meet in an output unit, and those that leave an input unit."""

Tensors = Mapping[str, Fans | None]
"""Name of a tensor of a layer -> its fans, or None if it is to be trained as an ordinary parameter."""

Handler = Callable[[Any], Tensors]

SLOT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose parameter `weight` has the shape (out, in / groups, *kernel)."""

EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)

_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")  # of nn.MultiheadAttention


def register_layer(kind: type[nn.Module] | str, handler: Handler) -> None:
    """Let `slotify_` and `mask_` select weights of a kind of layer that they do not know.

    Args:
        kind: the class of the layer, or its full name such as "transformers.pytorch_utils.Conv1D", for a package that
            may not be installed. Subclasses are included, unless they are registered themselves. A kind that is
            registered again gets the new handler.
        handler: takes the layer and returns name of a tensor -> (fan_in, fan_out), from which value bounds follow
            (Glorot and Bengio 2010, equation 16), or -> None for a tensor that stays an ordinary, trained parameter.

    Raises:
        TypeError: `kind` is neither a class of modules nor a name, or `handler` cannot be called.

    Example:
        >>> register_layer(Experts, lambda layer: {"w1": (layer.inputs, layer.hidden)})
    """
    if not (isinstance(kind, str) or (isinstance(kind, type) and issubclass(kind, nn.Module))):
        raise TypeError(f"register_layer takes a class of torch.nn.Module or its full name, not {kind!r}")
    if not callable(handler):
        raise TypeError(f"the handler of a layer is a function of the layer, not {handler!r}")
    _HANDLERS[kind] = handler


def known_tensors(layer: nn.Module) -> Tensors:
    """What the handler of a layer says of the tensors that it holds; nothing of a layer of an unknown kind.

    Raises:
        UserError: the handler names a tensor that the layer does not hold, or fans that are no two numbers.
    """
    kind = parametrize.type_before_parametrizations(layer)
    handler = next(filter(None, map(_handler_of, kind.__mro__)), None)
    if handler is None:
        return {}
    tensors = handler(layer)
    for name, fans in tensors.items():
        if not (name in vars(layer) or name in layer._parameters or parametrize.is_parametrized(layer, name)):
            raise UserError(f"the handler of {kind.__name__} names {name!r}, which that layer does not hold")
        if fans is not None and not (len(fans) == 2 and all(isinstance(fan, int) and fan >= 0 for fan in fans)):
            raise UserError(f"the handler of {kind.__name__} must give {name!r} (fan_in, fan_out), not {fans!r}")
    return {name: fans for name, fans in tensors.items() if layer._parameters.get(name, ...) is not None}


def shape_of(layer: nn.Module, tensor: str) -> Sequence[int]:
    """The shape of a tensor of a layer, (0, 0) of one without a shape; a parametrized one is not computed for it."""
    if parametrize.is_parametrized(layer, tensor):
        lists: Any = layer.parametrizations
        weight = getattr(lists[tensor], "original", None)
    else:
        weight = getattr(layer, tensor)
    return (0, 0) if not isinstance(weight, Tensor) or is_lazy(weight) else weight.shape


def _handler_of(kind: type) -> Handler | None:
    return _HANDLERS.get(kind) or _HANDLERS.get(f"{kind.__module__}.{kind.__qualname__}")


def _by_shape(layer: nn.Module, names: Sequence[str] = ("weight",)) -> Tensors:
    """Of tensors of shape (out, in) or (out, in / groups, *kernel)."""
    return {name: fans_of(shape_of(layer, name)) for name in names}


def _transposed(layer: _ConvTransposeNd) -> Tensors:
    """Of shape (in, out / groups, *kernel): the fans of the convolution from the same inputs to the same outputs."""
    inputs, outputs, *kernel = shape_of(layer, "weight")
    size = math.prod(kernel)
    return {"weight": (inputs // layer.groups * size, outputs * layer.groups * size)}


def _attention(layer: nn.MultiheadAttention) -> Tensors:
    held = layer._parameters.get
    return _by_shape(layer, [n for n in _PROJECTIONS if parametrize.is_parametrized(layer, n) or held(n) is not None])


def _recurrent(layer: nn.RNNBase) -> Tensors:
    """The gates of a layer are packed into one tensor, whose shape counts, as in attention."""
    return _by_shape(layer, [name for name in layer._flat_weights_names if name.startswith("weight")])


def _cell(layer: nn.RNNCellBase) -> Tensors:
    return _by_shape(layer, ("weight_ih", "weight_hh"))


def _bilinear(layer: nn.Bilinear) -> Tensors:
    """Of shape (out, in1, in2): each pair of inputs is a connection to each output."""
    outputs, *inputs = shape_of(layer, "weight")
    return {"weight": (math.prod(inputs), outputs)}


def _embedding(layer: nn.Embedding | nn.EmbeddingBag) -> Tensors:
    """A row is looked up by a one-hot vector: an output is one number of one row."""
    return {"weight": (1, shape_of(layer, "weight")[1])}


def _inputs_first(layer: nn.Module) -> Tensors:
    """Of shape (in, out)."""
    inputs, outputs = shape_of(layer, "weight")
    return {"weight": (inputs, outputs)}


def _ordinary(*names: str) -> Handler:
    """Of tensors that are trained as usual."""
    return lambda layer: {name: None for name in names if name in layer._parameters}


_HANDLERS: dict[type[nn.Module] | str, Handler] = {
    **dict.fromkeys(SLOT_LAYERS, _by_shape),
    _ConvTransposeNd: _transposed,
    nn.MultiheadAttention: _attention,
    nn.RNNBase: _recurrent,
    nn.RNNCellBase: _cell,
    nn.Bilinear: _bilinear,
    **dict.fromkeys(EMBEDDINGS, _embedding),
    "transformers.pytorch_utils.Conv1D": _inputs_first,
    **dict.fromkeys((_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm), _ordinary("weight", "bias")),
}
