"""The profile of a step on a GPU, as far as it goes without one: tiny networks on a processor."""

import json

import pytest
import torch

from benchmarks import run_gpu_profile
from benchmarks.gpu_groups import at_once
from benchmarks.gpu_processes import processes
from benchmarks.gpu_profile import Steps, Way, alone, profile, rival_graphs, smaller, together
from benchmarks.kernel_shares import GAPS, Kernel, kind_of, longest, shares
from slotmachines import UserError
from slotpipeline.planning.engine import Engine

CPU = torch.device("cpu")


def tiny(method: str = "greedy", **more) -> Way:
    return smaller(Way("lenet", method, **more), batch=4, images=12)


# Names as kernels of cuDNN, cuBLAS, PyTorch and this project have them.
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("void cudnn::engines_precompiled::nchwToNhwcKernel<float, float, float, false, true>", "conversion nchw/nhwc"),
        ("void cudnn::ops::nhwcToNchwKernel<float, float, float, true, false>(...)", "conversion nchw/nhwc"),
        ("_select_best_kernel", "selection"),
        ("sm80_xmma_fprop_implicit_gemm_tf32f32_tf32f32_f32_nhwckrsc_nchw_tilesize128x128x16", "convolution"),
        ("cutlass__5x_cudnn::Kernel<cutlass_tensorop_s1688wgrad_optimized_tf32_128x128_16x4_nhwc>", "convolution"),
        ("sm90_xmma_gemm_f32f32_tf32f32_f32_tn_n_tilesize64x64x32", "matrix product"),
        ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedSgdMathFunctor>", "optimiser"),
        ("void at::native::(anonymous namespace)::max_pool_forward_nchw<float>", "pooling"),
        (
            "void at::native::fused_dropout_kernel_vec<float, float, unsigned int, 1, 4, bool>",
            "random numbers, dropout",
        ),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::threshold_kernel_impl>", "elementwise"),
        ("void at::native::index_elementwise_kernel<128, 4, gpu_index_kernel>", "gathering images"),
        ("Memset (Device)", "copies and zeros"),
        ("void at::native::reduce_kernel<512, 1, ArgMaxOps<float>>", "loss and counts"),
        ("a kernel that nobody knows", "other"),
    ],
)
def test_a_kernel_is_known_by_its_name(name, kind):
    assert kind_of(name) == kind


def test_shares_are_those_of_the_time_line_and_sum_to_one():
    pool, conv = "max_pool_forward", "sm80_fprop"
    kernels = [Kernel(conv, 1.0, 3.0), Kernel(pool, 2.0, 3.0), Kernel(conv, 4.0, 5.0)]
    found = shares(kernels[::-1])
    assert found == {
        "convolution": pytest.approx(2.5 / 4),
        "pooling": pytest.approx(0.5 / 4),
        GAPS: pytest.approx(1 / 4),
    }
    assert next(iter(found)) == "convolution" and sum(found.values()) == pytest.approx(1)
    assert longest(kernels, 1) == [(conv, pytest.approx(3.0))]
    assert shares([]) == {} == shares([Kernel(conv, 1.0, 1.0)])


def test_steps_take_other_images_each_and_begin_again_at_the_end(monkeypatch):
    ready = Steps(tiny(), CPU)
    taken = []
    monkeypatch.setattr(ready, "step", lambda indices, rate: taken.append(indices.tolist()))
    ready.take(4)
    assert sorted(number for batch in taken[:3] for number in batch) == list(range(12)) and taken[3] == taken[0]


def test_what_is_measured():
    found = alone(tiny(engine=Engine(channels_last=True), precision="bfloat16"), CPU, steps=1)
    assert found["epoch_seconds"] == pytest.approx((3 * found["step_ms"] + found["evaluation_ms"]) / 1000)
    assert together(tiny(), CPU, steps=1)["step_ms"] > 0
    seen = profile(tiny(), CPU, steps=1)
    assert sum(seen["shares"].values()) == pytest.approx(1, abs=0.01) and seen["kernels_per_step"] > 10


def test_several_runs_at_once():
    assert at_once(tiny(engine=Engine(stacked=True)), CPU, steps=1, count=2)["step_ms"] > 0
    assert at_once(tiny(engine=Engine(branches=True)), CPU, steps=1, count=2)["step_ms"] > 0


def test_a_rival_that_is_trained_again_is_the_same():
    found = rival_graphs(tiny("edge_popup"), CPU, steps=2)
    assert found["difference_again"] == found["difference_graph"] == found["loss_graph"] == 0


@pytest.mark.slow
def test_processes_share_a_device_and_one_that_fails_says_why():
    assert processes(tiny(), CPU, seconds=0.2, count=2)["step_ms"] > 0
    with pytest.raises(RuntimeError, match="unknown precision"):
        processes(tiny(precision="float8"), CPU, seconds=0.2, count=1)


def test_the_command_writes_each_measurement_at_once_and_goes_on_after_one_that_fails(monkeypatch, tmp_path, capsys):
    def fails():
        lines.append(path.read_text() if path.exists() else "")
        raise ValueError("no\nluck")

    path, lines = tmp_path / "profile.jsonl", []
    found = [("alone", tiny(), lambda: {"step_ms": 1.5}), ("profile", tiny(), fails)]
    monkeypatch.setattr(run_gpu_profile, "measurements", lambda device, tiny: iter(found))
    run_gpu_profile.main([str(path), "--device", "cpu"])
    assert '"step_ms": 1.5' in lines[0]
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("error") for line in written] == [None, "ValueError: no luck"]
    assert "lenet greedy [default] alone: step_ms 1.5" in capsys.readouterr().out
    run_gpu_profile.main([str(path), "--device", "cpu"])  # all of it is there
    assert len(path.read_text().splitlines()) == 2
    other = tmp_path / "other.jsonl"
    run_gpu_profile.main([str(other), "--device", "cpu", "--minutes", "-1"])
    assert not other.exists() and "2 measurements were left out" in capsys.readouterr().out


def test_what_is_no_file_of_measurements_is_left_alone(tmp_path):
    path = tmp_path / "profile.jsonl"
    path.write_text("[1]\n")
    with pytest.raises(UserError, match="holds no measurements"):
        run_gpu_profile.main([str(path), "--device", "cpu"])
    assert path.read_text() == "[1]\n"


def test_every_measurement_has_a_line_of_its_own():
    for is_tiny in (False, True):
        names = [
            (what, way.network, way.method, way.words)
            for what, way, _ in run_gpu_profile.measurements(CPU, tiny=is_tiny)
        ]
        assert len(set(names)) == len(names)
        assert names[0][0] == "alone" and all(way.run for _, way, _ in run_gpu_profile.measurements(CPU, tiny=is_tiny))
