"""The kernels of a fused step against PyTorch: on a GPU where there is one, else in Triton's interpreter.

Whether the interpreter is used is decided when Triton is imported, hence the process of its own.
"""

import os
import subprocess
import sys

import pytest
import torch

from random_images import random_splits
from slotpipeline.data.augmentation import AUGMENTATIONS, augment, draw
from slotpipeline.training import fused_parts

pytest.importorskip("triton")


def check_batch(shape, name, order, device):
    """The kernel gives what the plain way gives: gathered, changed and normalised one after the other."""
    from slotpipeline.training import step_kernels

    data = random_splits(shape, device=device)
    batches = fused_parts.FusedBatches(data, name, order)
    indices = torch.tensor([3, 43, 0, 3, 17], device=device)
    torch.manual_seed(3)
    drawn = draw(5, name, indices.device)
    images, labels = step_kernels.batch(data.train.images, data.train.labels, indices, batches._table, *drawn, order)
    torch.manual_seed(3)
    expected = data.normalise(augment(data.train.images[indices], name))
    assert torch.equal(images, expected) and torch.equal(labels, data.train.labels[indices])
    assert images.is_contiguous(memory_format=order)


def check_sums(count, classes, device):
    from slotpipeline.training import step_kernels

    generator = torch.Generator().manual_seed(0)
    # Few different numbers, so that many outputs are the highest together.
    outputs = torch.randint(4, (count, classes), generator=generator).float().to(device)
    outputs[0], outputs[-1, 0] = -torch.inf, torch.inf
    labels = torch.randint(classes, (count,), generator=generator).to(device)
    loss = torch.tensor(1 / 3, device=device)
    mine, other = (
        [torch.tensor(0.1, dtype=torch.float64, device=device), torch.tensor(5, device=device)] for _ in range(2)
    )
    step_kernels.add_up_(loss, outputs, labels, *mine)
    other[0] += loss * count
    other[1] += (outputs.argmax(1) == labels).sum()
    assert mine == other


def check(device):
    for shape in ((3, 32, 32), (1, 28, 28)):
        for name in AUGMENTATIONS:
            check_batch(shape, name, torch.contiguous_format, device)
    check_batch((3, 32, 32), "crop-flip", torch.channels_last, device)
    for count, classes in ((8, 10), (300, 3), (1, 1), (5, 100)):
        check_sums(count, classes, device)


def test_interpreted_kernels_give_the_bits_of_pytorch():
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = "import test_step_kernels as tests; tests.check('cpu')"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command], cwd=os.path.dirname(__file__), env=environment, check=True
    )


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from slotmachines.slots.kernels.gpu_together import _select_all_kernel
from slotpipeline.training.step_kernels import _add_up_kernel, _batch_kernel

BATCH = {"images": "*u8", "labels": "*i64", "indices": "*i64", "table": "*fp32", "shift": "*i64", "chance": "*fp32"}
BATCH |= {"out": "*fp32", "out_labels": "*i64"}
SUMS = {"loss": "*fp32", "outputs": "*fp32", "labels": "*i64", "loss_sum": "*fp64", "correct": "*i64"}
SELECT = {"numbers": "*i64", "tensor": "*i32"}
CASES = [
    (_batch_kernel, BATCH, {"CHANNELS": 3, "IS_SHIFTED": True, "IS_MIRRORED": True, "PIXELS": 256}),
    (_batch_kernel, BATCH, {"CHANNELS": 1, "IS_SHIFTED": False, "IS_MIRRORED": False, "PIXELS": 256}),
    (_add_up_kernel, SUMS, {"ROWS": 128, "COLUMNS": 16}),
    (_select_all_kernel, SELECT,
     {"OPTIONS": 8, "SHARED": False, "BLOCK": 256, "ROWS": 128, "COLUMNS": 8, "PIECES": 1}),
]
for kernel, pointers, constants in CASES:
    signature = {}
    for name in kernel.arg_names:
        pointer = pointers.get(name.removesuffix("_pointer"), "*fp32")
        signature[name] = "constexpr" if name in constants else pointer if name.endswith("_pointer") else "i32"
    source = ASTSource(kernel, signature, constants)
    binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False})
    assert "fma.rn.f32" not in binary.asm["ptx"], kernel
    assert binary.asm["ptx"].count("mul.hi.u32") < 1000, kernel
"""


@pytest.mark.slow
def test_kernels_compile_for_a_gpu(tmp_path):
    """What the interpreter lets pass, the compiler may refuse; it needs no GPU."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment | {"TRITON_CACHE_DIR": str(tmp_path)}, check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_kernels_on_a_gpu_give_the_bits_of_pytorch():
    check("cuda")
