"""How a step is computed: off by default, recorded, and another way to the same numbers but for rounding."""

import json
from collections import Counter

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from conftest import tiny_run
from random_images import random_splits
from slotmachines import UserError, build_network, slotify_
from slotmachines.slots.convert import slot_machines
from slotpipeline.planning.engine import DEFAULT_ENGINE, ENGINE_NAMES, Engine, engine_of
from slotpipeline.runs.recipe import changed_settings
from slotpipeline.training.device import prepare_device
from slotpipeline.training.evaluation import sums
from slotpipeline.training.start import starting_network
from slotpipeline.training.step import TrainingStep
from slotpipeline.training.train import train_run
from slotpipeline.training_verbs import job_of

BATCH = 8
LAST = Engine(channels_last=True)
FUSED = Engine(fused=True)


def conv2(
    engine: Engine = DEFAULT_ENGINE, steps: int = 2, device: str = "cpu", cuda_graph: bool = False, method="greedy",
    **changes,
):  # fmt: skip
    """A slot machine of conv2 without dropout, trained for some steps and a smaller one."""
    run = tiny_run(
        method, "conv2", batch_size=BATCH, learning_rate=0.02,
        network_settings={"padding": "same", "dropout": 0.0}, **changes,
    )  # fmt: skip
    network = starting_network(run, torch.device(device), None).train()
    step = TrainingStep(
        network, run.settings, random_splits((3, 32, 32), device=device), cuda_graph=cuda_graph, engine=engine
    )
    torch.manual_seed(0)
    for number in range(steps):
        first = BATCH * number % 40
        step(torch.arange(first, first + BATCH, device=device), 0.02)
    step(torch.arange(4, device=device), 0.02)
    return network, step


def nearly(network, other, tolerance: float = 1e-4) -> bool:
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return all(bool(((one - two).abs().max() <= tolerance * one.abs().max()).item()) for one, two in pairs)


def test_all_of_it_is_off_by_default():
    assert engine_of([]) == DEFAULT_ENGINE and DEFAULT_ENGINE.words == ""
    assert ENGINE_NAMES[:3] == ("channels-last", "cudnn-benchmark", "compiled")
    assert engine_of(["compiled", "channels-last"]).words == "channels-last+compiled"
    words = ["slotmachines", "train", "--options", "2"]
    plain, asked = job_of(words), job_of([*words, "--engine", "cudnn-benchmark", "--engine", "channels-last"])
    assert plain.engine == DEFAULT_ENGINE
    assert asked.engine == Engine(channels_last=True, cudnn_benchmark=True)
    assert asked.run.identity == plain.run.identity


def test_an_unknown_engine_is_one_line():
    with pytest.raises(UserError, match="unknown engine 'steam'; use some of channels-last, "):
        engine_of(["channels-last", "steam"])


def test_engines_that_exclude_each_other_are_one_line():
    with pytest.raises(UserError, match="compiled and fused exclude each other"):
        engine_of(["compiled", "fused"])


def test_with_channels_last_a_slot_machine_selects_the_same_bits_and_trains_nearly_the_same():
    (network, step), (other, _) = conv2(), conv2(LAST)
    seen = []
    for layer in (other.conv1, other.conv2):
        layer.register_forward_hook(lambda _, inputs, output: seen.extend([*inputs, output]))
    sums(other, step._data.test, step._data, channels_last=True)
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in seen) and len(seen) == 4
    assert not seen[0].is_contiguous()
    assert all(parameter.is_contiguous() for parameter in other.parameters())
    assert nearly(network, other)
    other.load_state_dict(network.state_dict())
    for one, two in zip(slot_machines(network), slot_machines(other), strict=True):
        assert torch.equal(one.selector.best_option(one.trained), two.selector.best_option(two.trained))
    results = [
        sums(one, step._data.test, step._data, channels_last=last) for one, last in ((network, False), (other, True))
    ]
    assert torch.allclose(*results, rtol=1e-5)


def test_cudnn_tries_its_algorithms_only_for_the_run_that_asks_for_it():
    try:
        for wanted in (True, False):
            prepare_device("cpu", 1, False, Engine(cudnn_benchmark=wanted))
            assert torch.backends.cudnn.benchmark is wanted
    finally:
        torch.backends.cudnn.benchmark = False


def test_what_is_compiled_takes_full_batches_and_computes_the_same(monkeypatch):
    asked = []

    def compile_(network, **more):
        def forward(images):
            asked.append(len(images))
            return network(images)

        assert more == {"fullgraph": True, "dynamic": False}
        return forward

    monkeypatch.setattr(torch, "compile", compile_)
    (network, _), (other, _) = conv2(), conv2(Engine(compiled=True))
    assert asked == [BATCH, BATCH]
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), other.parameters(), strict=True))


@pytest.mark.slow
def test_a_compiled_step_is_nearly_the_same():
    (network, step), (other, compiled) = conv2(), conv2(Engine(compiled=True))
    assert nearly(network, other) and compiled.loss_sum.item() == pytest.approx(step.loss_sum.item(), rel=1e-5)


def test_a_rival_is_not_compiled(digits_folder, tmp_path):
    with pytest.raises(UserError, match="edge_popup cannot be trained compiled"):
        train_run(
            tiny_run("edge_popup"), data_folder=digits_folder, folder=tmp_path / "run",
            checkpoint=tmp_path / "run.pt", engine=Engine(compiled=True),
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_the_engine_is_recorded_and_is_no_part_of_the_identity(digits_folder, tmp_path):
    run = tiny_run(epochs=1, schedule_epochs=[])
    for name, engine in (("plain", DEFAULT_ENGINE), ("last", LAST)):
        train_run(run, data_folder=digits_folder, folder=tmp_path / name, checkpoint=tmp_path / "a.pt", engine=engine)
    plain, last = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("plain", "last"))
    assert (plain["engine"], last["engine"]) == ("", "channels-last")
    assert plain["identity"] == last["identity"]


# What is fused


@pytest.mark.parametrize(
    ("method", "last", "augmentation"),
    [("greedy", False, "crop-flip"), ("greedy", True, "flip"), ("learned", True, "crop-flip"),
     ("probabilistic", False, "none"), ("edge_popup", False, "flip")],
)  # fmt: skip
def test_fused_parts_give_the_bits_of_single_operations(method, last, augmentation):
    (network, step), (other, fused) = (
        conv2(engine, 1, method=method, augmentation=augmentation, weight_decay=1e-3)
        for engine in (Engine(channels_last=last), Engine(channels_last=last, fused=True))
    )
    states = network.state_dict(), other.state_dict()
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []
    assert (step.loss_sum, step.correct) == (fused.loss_sum, fused.correct)
    results = [sums(one, step._data.test, step._data, channels_last=last) for one in (network, other)]
    assert torch.equal(*results)


# bfloat16, which is a setting


def test_bfloat16_is_part_of_the_identity_and_float32_is_left_out():
    plain, same, half = (tiny_run(**more) for more in ({}, {"precision": "float32"}, {"precision": "bfloat16"}))
    assert plain.identity == same.identity != half.identity
    assert "precision" not in changed_settings(plain.settings)
    assert changed_settings(half.settings)["precision"] == "bfloat16"
    with pytest.raises(UserError, match="unknown precision 'float16'; use one of float32, bfloat16"):
        tiny_run(precision="float16")


def test_in_bfloat16_only_what_lies_between_trained_numbers_and_loss_is_rounded():
    network, step = conv2(precision="bfloat16", weight_decay=1e-3)
    numbers = [*network.parameters(), *(value["momentum_buffer"] for value in step.optimiser.state.values())]
    selected = [one.selector(one.trained) for one in slot_machines(network)]
    assert {one.dtype for one in [*numbers, *selected]} == {torch.float32}
    seen = []
    network.conv2.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    step(torch.arange(BATCH), 0.02)
    sums(network, step._data.test, step._data)
    assert seen == [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.float32)]
    assert step.loss_sum.dtype == torch.float64


def test_bfloat16_trains_to_about_the_same_loss():
    (_, step), (_, half) = conv2(), conv2(precision="bfloat16")
    assert half.loss_sum.item() != step.loss_sum.item()
    assert half.loss_sum.item() == pytest.approx(step.loss_sum.item(), rel=0.01)


# On a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0.02), ("bfloat16", 0.2)])
@pytest.mark.parametrize(
    "names", [[], ["channels-last"], ["channels-last", "cudnn-benchmark"], ["compiled"], ["fused"]]
)
def test_a_graph_computes_what_single_operations_compute(names, precision, tolerance):
    """Few steps: rounding alone drives two trainings apart, and TF32 and bfloat16 round coarsely."""
    engine = engine_of(names)
    try:
        prepare_device("cuda", 1, True, engine)
        single, step = conv2(engine, steps=6, device="cuda", precision=precision)
        graph, graphed = conv2(engine, steps=6, device="cuda", cuda_graph=True, precision=precision)
    finally:
        torch.backends.cudnn.benchmark = False
    assert nearly(single, graph, tolerance)
    assert graphed.loss_sum.item() == pytest.approx(step.loss_sum.item(), rel=tolerance / 10)
    assert graphed.correct.item() == pytest.approx(step.correct.item(), abs=2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["greedy", "learned"])
def test_fused_parts_give_the_bits_of_single_operations_on_a_gpu(monkeypatch, method):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    (network, step), (other, fused) = (conv2(one, 6, "cuda", method=method) for one in (DEFAULT_ENGINE, FUSED))
    assert all(torch.equal(one, two) for one, two in zip(network.parameters(), other.parameters(), strict=True))
    assert (step.loss_sum, step.correct) == (fused.loss_sum, fused.correct)


# How many operations a step has


class Operations(TorchDispatchMode):
    """Counts what a GPU would launch for, by name: no views, and no marks of a profiler."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if not function.is_view and not name.startswith("_record_function"):
            self.count[name] += 1
        return function(*args, **(kwargs or {}))


def operations_of(name: str, engine: Engine, monkeypatch) -> Counter:
    """Of a step on a device without values; the optimiser, which is one kernel on a GPU, is left out.

    A selection counts as one operation, and dropout as it is on a GPU: one operation forward, and one back.
    """
    monkeypatch.setattr(functional, "dropout", lambda x, p, training, inplace: torch.native_dropout(x, p, training)[0])
    settings = tiny_run(
        network=name, batch_size=BATCH, augmentation="crop-flip" if name == "conv6" else "none"
    ).settings
    network = build_network(name)
    slotify_(network, options=8)
    shape = (1, 28, 28) if name == "lenet" else (3, 32, 32)
    data = random_splits(shape, device="meta")
    step = TrainingStep(network.to("meta").train(), settings, data, engine=engine)
    step.optimiser.step = lambda: None
    indices = torch.zeros(BATCH, dtype=torch.int64, device="meta")
    step(indices, 0.1)
    with Operations() as operations:
        step(indices, 0.1)
    return operations.count


@pytest.mark.parametrize(
    ("name", "engine", "most"),
    [
        ("lenet", DEFAULT_ENGINE, 35),
        ("conv6", DEFAULT_ENGINE, 95),
        ("lenet", FUSED, 20),
        ("conv6", FUSED, 57),  # 58 with the optimiser
        ("conv6", Engine(fused=True, channels_last=True), 59),
    ],
)
def test_a_step_has_no_more_operations_than_it_had(monkeypatch, name, engine, most):
    count = operations_of(name, engine, monkeypatch)
    assert sum(count.values()) <= most, count
