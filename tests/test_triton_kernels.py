"""The Triton kernels against plain PyTorch: on a GPU where there is one, else in Triton's interpreter.

Whether the interpreter is used is decided when Triton is imported, hence the processes of their own.
"""

import os
import subprocess
import sys

import pytest
import torch

from slotmachines.slots.kernels import plain
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.random_options import OptionPool

pytest.importorskip("triton")

POOLS = [(1, "none"), (2, "layer"), (5, "none"), (24, "network"), (70, "none")]


def pool_of(options, sharing):
    return OptionPool(3, "w", options, 0.137, 0.11, torch.float32, sharing)


def numbers(connections, device):
    """Trained numbers as different as they get: some zero, some not a number."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(connections, generator=generator) * torch.rand(connections, generator=generator) ** 3
    theta[::7], theta[1] = 0, torch.nan
    return theta.to(device)


def assert_equal_caches(mine, other):
    assert all(torch.equal(getattr(mine, name), getattr(other, name)) for name in ("weight", "low", "high"))


def check_greedy(options, sharing, connections, device):
    from slotmachines.slots.kernels import gpu

    pool, theta = pool_of(options, sharing), numbers(connections, device)
    cache, reference = Cache.empty(theta), Cache.empty(theta)
    for step, scale in enumerate((1.0, 0.7, 0.7, -0.3, 1e-30)):
        score_scale = torch.tensor(scale, device=device)
        weight = gpu.select_best_(theta, score_scale, cache, pool)
        assert torch.equal(weight, plain.select_best_(theta, score_scale, reference, pool)), step
        assert_equal_caches(cache, reference)
        theta = theta + 0.01 * theta.flip(0).nan_to_num()
    assert torch.equal(gpu.best_option(theta, score_scale, pool), plain.best_option(theta, score_scale, pool))


def check_cache(device):
    """Who is inside the interval keeps the weight of the cache, and who is outside does not."""
    from slotmachines.slots.kernels import gpu

    pool, theta, scale = pool_of(5, "none"), numbers(300, device), torch.ones((), device=device)
    cache = Cache.empty(theta)
    weight = gpu.select_best_(theta, scale, cache, pool)
    cache.weight += 1
    cache.low[:32] = torch.inf
    again = gpu.select_best_(theta, scale, cache, pool)
    assert torch.equal(again[:32], weight[:32]) and torch.equal(again[256:], weight[256:] + 1)


def check_together(options, sharing, device):
    """One launch for several tensors, with what lies between them left alone, gives the bits of one for each."""
    from slotmachines.slots.kernels import gpu, gpu_together

    sizes, firsts = (1, 45, 16, 70), (0, 64, 128, 192)
    pools = [OptionPool(3, f"w{i}", options, 0.1 + 0.01 * i, 0.1, torch.float32, sharing) for i in range(4)]
    thetas = [numbers(max(size, 2), device)[:size].clone() for size in sizes]
    scales = [torch.tensor(1.0 - 0.1 * i, device=device) for i in range(4)]
    table = gpu_together.Table.of(list(zip(thetas, scales, pools, strict=True)), firsts)
    cache, references = Cache.empty(torch.empty(320, device=device)), [Cache.empty(theta) for theta in thetas]
    for _ in range(3):
        out = gpu_together.select_all_(table, cache)
        for first, theta, scale, reference, pool in zip(firsts, thetas, scales, references, pools, strict=True):
            part = slice(first, first + len(theta))
            assert torch.equal(out[part], gpu.select_best_(theta, scale, reference, pool))
            assert_equal_caches(cache.part(part), reference)
        assert cache.low[46 + 64 : 128].isposinf().all()
        for theta, scale in zip(thetas, scales, strict=True):
            theta += 0.01 * theta.flip(0).nan_to_num()
            scale *= 0.9


def check_sample(options, sharing, connections, device):
    """The same draws as in plain PyTorch, but where rounding decides."""
    from slotmachines.slots.kernels import gpu

    pool, theta = pool_of(options, sharing), 5 * numbers(connections, device).nan_to_num()
    for scale in (1.0, -20.0, 1e-40):
        score_scale = torch.tensor(scale, device=device)
        for bits in (12345, -(2**62) - 7):
            key = torch.tensor(bits, device=device)
            weight = gpu.select_sample(theta, score_scale, key, pool)
            same = weight == plain.select_sample(theta, score_scale, key, pool)
            assert (~same).sum() <= 1 + connections // 10_000


def check_distribution(options, size, device):
    """Pearson's chi-square of draws from softmax(W theta), for connections that share their values."""
    from slotmachines.slots.kernels import gpu

    pool, theta = pool_of(options, "layer"), torch.full((4000,), size, device=device)
    key, scale = torch.tensor(2**61 + 5, device=device), torch.zeros((), device=device)
    weight = gpu.select_sample(theta, scale, key, pool)
    values = pool.table(1, device)[0][:, 0]
    counts = (weight == values[:, None]).sum(1)
    expected = 4000 * torch.softmax(values.double() * size, 0)
    assert counts.sum() == 4000
    assert ((counts - expected) ** 2 / expected).sum() < (options - 1) + 5 * (2 * (options - 1)) ** 0.5


def check(device):
    for options, sharing in POOLS if device == "cpu" else [*POOLS, (1100, "layer")]:
        connections = (45 if options < 20 else 13) if device == "cpu" else 100_003
        check_greedy(options, sharing, connections, device)
        check_sample(options, sharing, connections, device)
        check_together(options, sharing, device)
    check_cache(device)


def check_distributions(device):
    check_distribution(4, 12.0, device)
    check_distribution(24, 1.5, device)  # by rejection
    check_distribution(24, 12.0, device)


def check_interpreted():
    from slotmachines.slots.kernels import gpu

    check_distributions("cpu")
    # Small enough for several blocks, and several options in a column, without waiting for the interpreter.
    gpu._BLOCK, gpu._TILE = 16, 32
    check("cpu")


@pytest.mark.slow
def test_interpreted_kernels_agree_with_plain_pytorch():
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = "import test_triton_kernels as tests; tests.check_interpreted()"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command], cwd=os.path.dirname(__file__), env=environment, check=True
    )


COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from slotmachines.slots.kernels import gpu
from slotmachines.slots.random_options import OptionPool

TYPES = {"connections": "i32", "key": "i64", "shared_key": "i64", "value_bound": "fp32", "score_bound": "fp32"}
TYPES |= {"draw_key_pointer": "*i64"}
for options, sharing in [(2, "none"), (64, "layer"), (1500, "none")]:
    pool = OptionPool(3, "w", options, 0.1, 0.1, torch.float32, sharing)
    given = gpu._arguments(torch.zeros(1), pool) | gpu._tile(pool) | {"BLOCK": 256}
    for name in ("select_best", "best_option", "try_proposals", "locate"):
        kernel = getattr(gpu, f"_{name}_kernel")
        constants = {key: given[key] for key in kernel.arg_names if key.isupper()}
        types = TYPES | {"out_pointer": "*i64" if name == "best_option" else "*fp32"}
        signature = {key: "constexpr" if key in constants else types.get(key, "*fp32") for key in kernel.arg_names}
        source = ASTSource(kernel, signature, constants)
        binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=gpu._COMPILER)
        # A thread has 8 options in its tile and a Philox takes 20 products: a compiler that gave whole rows to
        # single threads would have thousands.
        assert binary.asm["ptx"].count("mul.hi.u32") < 1000, (name, options)
        assert "fma.rn.f32" not in binary.asm["ptx"] or name == "try_proposals", (name, options)
"""


@pytest.mark.slow
def test_kernels_compile_for_a_gpu(tmp_path):
    """What the interpreter lets pass, the compiler may refuse; it needs no GPU."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment | {"TRITON_CACHE_DIR": str(tmp_path)}, check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_kernels_on_a_gpu_agree_with_plain_pytorch():
    check("cuda")
    check_distributions("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("default")
def test_kernels_can_be_captured_in_a_cuda_graph():
    from slotmachines.slots.kernels import gpu

    pool, theta, scale = pool_of(24, "none"), numbers(10_000, "cuda"), torch.ones((), device="cuda")
    cache = Cache.empty(theta)

    def step():
        key = torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64, device="cuda")
        return (
            gpu.select_best_(theta, scale, cache, pool),
            gpu.best_option(theta, scale, pool),
            gpu.select_sample(theta, scale, key, pool),
        )

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        weight, option, sample = step()
    samples = []
    for shift in (0.0, 0.05):
        theta += shift
        graph.replay()
        assert torch.equal(weight, plain.select_best_(theta, scale, Cache.empty(theta), pool))
        assert torch.equal(option, plain.best_option(theta, scale, pool))
        samples.append(sample.clone())
    assert (samples[0] != samples[1]).float().mean() > 0.5
