"""Parts of a training step compiled by Triton for a GPU: the batch of images, and the sums of loss and answers.

The host waits for nothing. Each computes the bits of the same part in PyTorch, see `fused_parts`.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from slotpipeline.data.augmentation import CROP_PADDING

_PIXELS = 256  # of a program
_ROWS = 128  # outputs looked at at a time
_PADDING = tl.constexpr(CROP_PADDING)


@triton.jit
def _batch_kernel(
    images_pointer,
    labels_pointer,
    indices_pointer,
    table_pointer,
    shift_pointer,
    chance_pointer,
    out_pointer,
    out_labels_pointer,
    count,
    height,
    width,
    image_stride,
    channel_stride,
    row_stride,
    column_stride,
    CHANNELS: tl.constexpr,
    IS_SHIFTED: tl.constexpr,
    IS_MIRRORED: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Some pixels of one image: from where they come, by way of the table, to the strides of `out`."""
    image = tl.program_id(0)
    pixel = tl.program_id(1) * PIXELS + tl.arange(0, PIXELS)
    exists = pixel < height * width
    row, column = pixel // width, pixel % width
    number = tl.load(indices_pointer + image)
    if tl.program_id(1) == 0:
        tl.store(out_labels_pointer + image, tl.load(labels_pointer + number))
    from_row, from_column = row, column
    if IS_MIRRORED:
        from_column = tl.where(tl.load(chance_pointer + image) < 0.5, width - 1 - from_column, from_column)
    if IS_SHIFTED:
        from_row = from_row + tl.load(shift_pointer + image).to(tl.int32) - _PADDING
        from_column = from_column + tl.load(shift_pointer + count + image).to(tl.int32) - _PADDING
    inside = exists & (from_row >= 0) & (from_row < height) & (from_column >= 0) & (from_column < width)
    for channel in range(CHANNELS):
        source = (number * CHANNELS + channel) * height * width + from_row * width + from_column
        byte = tl.load(images_pointer + source, mask=inside, other=0)
        value = tl.load(table_pointer + channel * 256 + byte.to(tl.int32))
        target = image * image_stride + channel * channel_stride + row * row_stride + column * column_stride
        tl.store(out_pointer + target, value, mask=exists)


def batch(
    images: Tensor, labels: Tensor, indices: Tensor, table: Tensor, shift: Tensor | None, chance: Tensor | None,
    order: torch.memory_format,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As `fused_parts.batch`, for contiguous tensors of a GPU."""
    count, (channels, height, width) = len(indices), images.shape[1:]
    out = torch.empty(count, channels, height, width, device=images.device, memory_format=order)
    out_labels = torch.empty_like(indices)
    with torch.cuda.device(images.get_device()):
        _batch_kernel[(count, triton.cdiv(height * width, _PIXELS))](
            images, labels, indices, table,
            indices if shift is None else shift, indices if chance is None else chance,
            out, out_labels, count, height, width, *out.stride(),
            CHANNELS=channels, IS_SHIFTED=shift is not None, IS_MIRRORED=chance is not None, PIXELS=_PIXELS,
        )  # fmt: skip
    return out, out_labels


@triton.jit
def _add_up_kernel(
    loss_pointer,
    outputs_pointer,
    labels_pointer,
    loss_sum_pointer,
    correct_pointer,
    count,
    classes,
    row_stride,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    column = tl.arange(0, COLUMNS)[None, :]
    correct = tl.zeros((ROWS,), tl.int64)
    for start in range(0, count, ROWS):
        row = start + tl.arange(0, ROWS)
        exists = row < count
        label = tl.load(labels_pointer + row, mask=exists, other=0)
        at_label = tl.load(outputs_pointer + row * row_stride + label, mask=exists, other=0.0)
        others = exists[:, None] & (column < classes) & (column != label[:, None])
        output = tl.load(outputs_pointer + row[:, None] * row_stride + column, mask=others, other=float("-inf"))
        # The answer is the first of the highest outputs.
        above = (output > at_label[:, None]) | ((output == at_label[:, None]) & (column < label[:, None]))
        is_beaten = tl.max((others & above).to(tl.int32), axis=1)
        correct += (exists & (is_beaten == 0)).to(tl.int64)
    tl.store(correct_pointer, tl.load(correct_pointer) + tl.sum(correct, axis=0))
    loss = tl.load(loss_pointer) * count.to(tl.float32)
    tl.store(loss_sum_pointer, tl.load(loss_sum_pointer) + loss.to(tl.float64))


def add_up_(loss: Tensor, outputs: Tensor, labels: Tensor, loss_sum: Tensor, correct: Tensor) -> None:
    """As `fused_parts.add_up_`, for tensors of a GPU, outputs in float32."""
    count, classes = outputs.shape
    columns = triton.next_power_of_2(classes)
    with torch.cuda.device(outputs.get_device()):
        _add_up_kernel[(1,)](
            loss, outputs, labels, loss_sum, correct, count, classes, outputs.stride(0),
            ROWS=max(1, min(_ROWS, 8192 // columns)), COLUMNS=columns, enable_fp_fusion=False,
        )  # fmt: skip
