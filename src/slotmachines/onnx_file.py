"""An ONNX file of a network, checked: what onnxruntime computes from it is what PyTorch computes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from slotmachines.errors import UserError, how_to_install, one_line
from slotmachines.files import replacing
from slotmachines.selectable import require_module, weight_selectors
from slotmachines.slots.convert import bake_

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_MOST_BYTES = 2**31 - 2**20  # one protobuf message, as which the file is read, holds less than 2 GiB


@dataclass(frozen=True)
class OnnxCheck:
    """What the comparison of an ONNX file with the network found.

    Attributes:
        difference: the largest absolute difference of two outputs.
        scale: the largest absolute output of PyTorch.
        examples: the number of examples that were compared.
        same_answers: whether the largest output along dimension 1, the predicted class, is the same for all of them;
            None where the output has no such dimension.
        file_bytes: size of the file.
    """

    difference: float
    scale: float
    examples: int
    same_answers: bool | None
    file_bytes: int


def export_onnx(module: nn.Module, path: str | Path, example: Tensor, *, tolerance: float = 1e-4) -> OnnxCheck:
    """Write a network as an ONNX file, and compare it with the network by onnxruntime on a processor.

    Of a slot machine or of masks, the network that `bake_` would make is written; `module` stays as it is, and so does
    the file if anything is refused. The network is written in evaluation mode.

    Args:
        module: any network that takes one tensor and gives one.
        path: the file, which is replaced if it exists. All weights are in it.
        example: an input, (n, ...) with n of at least 2. The first dimension may have another size in use.
        tolerance: the largest difference of two outputs that passes, relative to the largest output.

    Raises:
        UserError: a package of the extra `onnx` is missing; the network does not run on the example, cannot be
            exported, or has more than 2 GiB of weights; the outputs differ by more; or the file cannot be written.
    """
    require_module(module)
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UserError(f"ONNX needs {', '.join(missing)}; {how_to_install('onnx')}")
    if not isinstance(example, Tensor) or example.ndim < 1 or len(example) < 2:
        raise UserError("an example for ONNX is a tensor of at least 2 inputs, (n, ...)")
    if not 0 < tolerance < 1:
        raise UserError(f"the tolerance of ONNX is between 0 and 1, not {tolerance}")
    network = _ordinary_copy(module)
    example = example.detach().cpu()
    expected = _outputs(network, example)
    with replacing(path) as temporary:
        _write(network, example, temporary)
        # Another number of examples too: it must not have become part of the graph.
        check = _compared(temporary, [(example, expected), (example[:1], _outputs(network, example[:1]))])
        if check.difference > tolerance * check.scale:
            raise UserError(
                f"onnxruntime's outputs differ from PyTorch's by {check.difference:.3g} of {check.scale:.3g}; "
                "the ONNX file was not written. Give a higher tolerance if that is good enough"
            )
    return check


def _ordinary_copy(module: nn.Module) -> nn.Module:
    """The ordinary network that a module is worth, on a processor, in evaluation mode."""
    try:
        network = copy.deepcopy(module).cpu().eval()
        if next(weight_selectors(network), None) is not None:
            bake_(network)
    except (ValueError, NotImplementedError, RuntimeError, TypeError) as error:
        raise UserError(f"this network cannot be exported: {one_line(error)}") from None
    tensors = [tensor for tensor in network.state_dict().values() if isinstance(tensor, Tensor)]
    if any(is_lazy(tensor) or tensor.is_meta for tensor in tensors):
        raise UserError("this network has no numbers yet; run it once if it is lazy, take it off the meta device")
    size = sum(tensor.nbytes for tensor in tensors)
    if size > _MOST_BYTES:
        raise UserError(f"this network has {size / 2**30:.1f} GiB of weights, an ONNX file holds less than 2 GiB")
    return network


@torch.no_grad()
def _outputs(network: nn.Module, example: Tensor) -> Tensor:
    try:
        with parametrize.cached():
            outputs = network(example)
    except Exception as error:  # whatever the user's forward raises
        raise UserError(f"the network does not run on the example: {one_line(error)}") from None
    if not isinstance(outputs, Tensor):
        raise UserError(f"an ONNX file is made of a network that gives one tensor, not {type(outputs).__name__}")
    return outputs


def _write(network: nn.Module, example: Tensor, path: Path) -> None:
    with _quiet():
        try:
            torch.onnx.export(
                network,
                (example,),
                path,
                dynamo=True,
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                external_data=False,
                verbose=False,
            )
        except OSError:
            raise  # `replacing` says what cannot be written
        except Exception as error:  # the exporter has many
            raise UserError(f"this network cannot be exported to ONNX: {one_line(error)}") from None


def _compared(path: Path, pairs: list[tuple[Tensor, Tensor]]) -> OnnxCheck:
    import onnxruntime

    difference, scale, same = 0.0, 0.0, True
    try:
        session: Any = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        for example, expected in pairs:
            (found,) = session.run(None, {session.get_inputs()[0].name: example.numpy()})
            wanted = expected.numpy()
            if found.shape != wanted.shape:
                raise UserError(f"the ONNX file gives outputs of shape {found.shape}, the network {wanted.shape}")
            if not (np.isfinite(found).all() and np.isfinite(wanted).all()):
                raise UserError("the outputs for the example are not all finite numbers; give another example")
            difference = max(difference, float(np.max(np.abs(found.astype(np.float64) - wanted), initial=0)))
            scale = max(scale, float(np.max(np.abs(wanted), initial=0)))
            if wanted.ndim > 1:
                same &= bool((found.argmax(1) == wanted.argmax(1)).all())
    except UserError:
        raise
    except Exception as error:  # onnxruntime's have no common base that it documents
        raise UserError(f"onnxruntime cannot run the ONNX file of this network: {one_line(error)}") from None
    answers = same if pairs[0][1].ndim > 1 else None
    return OnnxCheck(difference, scale, sum(len(example) for example, _ in pairs), answers, path.stat().st_size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings about its own insides; what goes wrong is an exception or found by the check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
