"""One training step: what it computes, that no host waits for it, and that a CUDA graph of it computes the same.

Longer than others: the stand-ins for a GPU (operations that would wait, pretended graphs) are used throughout.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typer.testing import CliRunner

from conftest import tiny_run
from pretended_gpu import WAITS, DenseKernels
from random_images import random_splits
from slotmachines import UserError, build_network, slotify_
from slotmachines.methods import METHODS
from slotmachines.slots import machine
from slotmachines.slots.philox import permutation
from slotpipeline import cli
from slotpipeline.training import device as device_module
from slotpipeline.training import jobs
from slotpipeline.training.loop import Trainer
from slotpipeline.training.start import starting_network
from slotpipeline.training.step import TrainingStep

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CASES = {
    "lenet": ("learned", "none"),
    "conv2": ("learned", "crop-flip"),  # with dropout
    "vgg19": ("learned", "flip"),  # with batch normalisation
    "greedy": ("greedy", "none"),
    "probabilistic": ("probabilistic", "none"),
}
BATCH = 8
RESULT = SimpleNamespace(test_accuracy=50.0, val_accuracy=50.0, best_epoch=1)


def make(case: str, device: str = "cpu", cuda_graph: bool = False) -> tuple[torch.nn.Module, TrainingStep]:
    """A network and its step; a slot machine is a lenet."""
    method, augmentation = CASES[case]
    name = "lenet" if case in ("greedy", "probabilistic") else case
    settings = tiny_run(method, name, batch_size=BATCH, augmentation=augmentation, weight_decay=1e-3).settings
    torch.manual_seed(0)
    network = build_network(name)
    if method != "learned":
        slotify_(network, options=4, selection=method)
    network = network.to(device).train()
    data = random_splits((1, 28, 28) if name == "lenet" else (3, 32, 32), device=device)
    return network, TrainingStep(network, settings, data, cuda_graph=cuda_graph)


def train(step: TrainingStep, device: str = "cpu", epochs: int = 2, first: int = 0) -> None:
    """Epochs of 5 full batches and one of 4 images, at a rate that changes in each step."""
    for epoch in range(first, first + epochs):
        torch.manual_seed(epoch)
        for number, indices in enumerate(permutation(44, epoch, device=device).split(BATCH)):
            step(indices, 0.02 / (1 + epoch + number))


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][name], states[1][name]) for name in states[0]
    )


# What it computes


def test_a_step_is_that_of_a_loop_written_out():
    network, step = make("greedy")
    train(step, epochs=1)

    other, _ = make("greedy")
    data = random_splits()
    optimiser = torch.optim.SGD(other.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-3)
    torch.manual_seed(0)
    loss_sum, correct = 0.0, 0
    for number, indices in enumerate(permutation(44, 0).split(BATCH)):
        optimiser.param_groups[0]["lr"] = 0.02 / (1 + number)
        outputs = other((data.train.images[indices] / 255 - 0.4) / 0.3)
        loss = functional.cross_entropy(outputs, data.train.labels[indices])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += (loss * len(indices)).item()
        correct += (outputs.argmax(1) == data.train.labels[indices]).sum().item()
    assert equal(network, other)
    assert step.loss_sum.item() == pytest.approx(loss_sum, rel=1e-12) and step.correct.item() == correct > 0
    step.reset()
    assert (step.loss_sum.item(), step.correct.item()) == (0, 0)


@pytest.mark.parametrize("saved_on", ["cpu", "cuda"])
def test_going_on_from_the_state_of_an_optimiser(saved_on):
    network, step = make("lenet")
    train(step)
    other, first = make("lenet")
    train(first, epochs=1)
    state = first.optimiser.state_dict()
    if saved_on == "cuda":  # there, the rate is a tensor
        state["param_groups"][0] |= {"lr": torch.tensor(0.5), "fused": True}
    second = TrainingStep(other, tiny_run(batch_size=BATCH, weight_decay=1e-3).settings, random_splits())
    second.load_state_dict(state)
    (group,) = second.optimiser.param_groups
    assert group["fused"] is None and isinstance(group["lr"], float)  # as this device needs them
    train(second, epochs=1, first=1)
    assert equal(network, other)


# That no host waits for it


class WithoutWaiting(TorchDispatchMode):
    """Refuses what a host has to wait for, and copies from one device to another."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            assert not any(i.dtype == torch.bool for i in args[1] if i is not None), "a mask as index waits"
        result = function(*args, **(kwargs or {}))
        devices = {leaf.device for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        assert len(devices) <= 1, f"{name} copies between {devices}"
        return result


@pytest.mark.parametrize(
    "waiting",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.to("meta"),
        lambda x: torch.empty(3, device="meta").copy_(x),
    ],
)
def test_what_waits_is_noticed(waiting):
    with pytest.raises(AssertionError), WithoutWaiting():
        waiting(torch.ones(3))


@pytest.mark.parametrize("case", CASES)
def test_no_host_waits_for_a_step(monkeypatch, case):
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())
    network, step = make(case)
    before = [parameter.clone() for parameter in network.parameters()]
    batches = permutation(44, 0).split(BATCH)
    with WithoutWaiting():
        for indices in batches[-2:]:
            step(indices, 0.1)
    assert not all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("case", ["lenet", "conv2", "vgg19", "greedy"])
def test_a_step_needs_nothing_of_the_host(case):
    """On a device without values, where everything that asks for one, or for a tensor of the host, fails."""
    _, step = make(case, "meta")
    with WithoutWaiting():
        step(torch.zeros(BATCH, dtype=torch.int64, device="meta"), 0.1)
    assert step.loss_sum.is_meta and step.correct.is_meta


@pytest.mark.parametrize("method", ["greedy", "probabilistic", "learned"])
def test_an_epoch_waits_once_all_is_queued(monkeypatch, method):
    monkeypatch.setattr(machine, "kernels_for", lambda *_, **__: DenseKernels())
    run = tiny_run(method, batch_size=BATCH)
    network = starting_network(run, torch.device("cpu"), None)
    trainer = Trainer(network, run.settings, random_splits(), seed=1)
    with WithoutWaiting():
        assert len(list(trainer.steps(1))) == 6
        trainer.evaluation()


@pytest.mark.parametrize("method", ["greedy", "min_flipping", "learned"])
def test_the_network_is_asked_for_its_selectors_once_and_not_in_each_step(monkeypatch, method):
    run = tiny_run(method, batch_size=BATCH)
    trainer = Trainer(starting_network(run, torch.device("cpu"), None), run.settings, random_splits(), seed=1)
    steps = trainer.steps(1)
    next(steps)
    monkeypatch.setattr(torch.nn.Module, "named_modules", lambda *_, **__: pytest.fail("a step walks all modules"))
    assert len(list(steps)) == 5


# CUDA graphs


@pytest.fixture
def pretended_graphs(monkeypatch):
    """CUDA graphs on a processor: what is captured leaves no trace, and a replay computes it. Returns what was done."""
    done = []

    class Stream:
        def wait_stream(self, other):
            assert isinstance(other, Stream)

    class Graph:
        def replay(self):
            done.append("replay")
            self.step.train_on(self.step._indices)

    @contextmanager
    def graph(graph, stream):
        assert isinstance(stream, Stream)
        done.append("capture")
        network, optimiser = graph.step._network, graph.step.optimiser
        tensors = [*network.state_dict().values(), *(s["momentum_buffer"] for s in optimiser.state.values())]
        tensors += [graph.step.loss_sum, graph.step.correct]
        tensors = [tensor for tensor in tensors if tensor.dtype != torch.uint8]
        before, generator = [tensor.clone() for tensor in tensors], torch.get_rng_state()
        yield
        torch.set_rng_state(generator)
        for tensor, value in zip(tensors, before, strict=True):
            tensor.detach().copy_(value)

    stream = Stream()
    for name, pretended in {
        "current_stream": lambda device: stream, "default_stream": lambda device: stream, "CUDAGraph": Graph,
        "Stream": lambda device: Stream(), "stream": lambda stream: nullcontext(), "graph": graph,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, pretended)
    train = TrainingStep.train_on
    monkeypatch.setattr(TrainingStep, "train_on", lambda self, i: done.append(len(i)) or train(self, i))
    return SimpleNamespace(done=done, graph=Graph)


@pytest.mark.parametrize("case", ["lenet", "conv2", "probabilistic"])
def test_first_steps_then_a_graph(pretended_graphs, case):
    network, step = make(case, cuda_graph=True)
    pretended_graphs.graph.step = step
    train(step)
    replay = ["replay", BATCH]
    assert pretended_graphs.done == [*[BATCH] * 3, "capture", BATCH, *replay * 2, 4, *replay * 5, 4]
    other, eager = make(case)
    train(eager)
    assert equal(network, other)
    assert (step.loss_sum, step.correct) == (eager.loss_sum, eager.correct)


def test_a_graph_is_captured_anew_where_the_state_was_replaced(pretended_graphs):
    _, step = make("lenet", cuda_graph=True)
    pretended_graphs.graph.step = step
    train(step, epochs=1)
    step.load_state_dict(step.optimiser.state_dict())
    train(step, epochs=1)
    assert pretended_graphs.done.count("capture") == 2


def test_a_graph_needs_a_gpu(train, tmp_path):
    with pytest.raises(
        UserError, match=r"^a CUDA graph needs a GPU, and this run would use the cpu; leave out"
    ) as error:
        train(tiny_run(), cuda_graph=True, device="cpu")
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("device", "method", "words", "expected"),
    [
        ("cpu", "greedy", (), False),
        ("cuda:1", "greedy", (), True),
        ("cuda:1", "learned", (), True),
        ("cuda:1", "edge_popup", (), False),  # of rivals, graphs and single operations were not compared
        ("cuda:1", "edge_popup", ("--cuda-graph",), True),
        ("cuda:1", "greedy", ("--no-cuda-graph",), False),
    ],
)
def test_graphs_are_the_default_on_a_gpu(monkeypatch, tmp_path, device, method, words, expected):
    monkeypatch.setattr(jobs, "device_of_job", lambda name: nullcontext(device))
    asked = []
    monkeypatch.setattr(jobs, "train_run", lambda run, **more: asked.append(more) or RESULT)
    options = ["--options", "4"] if method == "greedy" else []
    command = ["train", "--method", method, *options, "--folder", str(tmp_path), *words]
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    assert [(more["device"], more["cuda_graph"]) for more in asked] == [(device, expected)]


def test_finetuning_takes_graphs_too(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "device_of_job", lambda name: nullcontext("cuda:0"))
    asked = []
    monkeypatch.setattr(jobs, "train_run", lambda run, **more: asked.append(more) or RESULT)
    command = ["finetune", "--options", "4", "--start-epoch", "5", "--weights", "w", "--folder", str(tmp_path)]
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    assert asked[0]["cuda_graph"] is True


def test_without_triton_there_is_no_graph_by_default(monkeypatch):
    monkeypatch.setattr(device_module, "find_spec", lambda name: None)
    assert not device_module.graph_by_default("cuda", "greedy")


def test_a_gpu_may_use_tf32(monkeypatch):
    flags = SimpleNamespace(allow_tf32=False), SimpleNamespace(allow_tf32=False)
    monkeypatch.setattr(torch.backends.cuda, "matmul", flags[0])
    monkeypatch.setattr(torch.backends, "cudnn", flags[1])
    monkeypatch.setattr(device_module, "_device", torch.device)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    device_module.prepare_device("cpu", 1, cuda_graph=False)
    assert [flag.allow_tf32 for flag in flags] == [False, False]
    device_module.prepare_device("cuda:0", 1, cuda_graph=True)
    assert [flag.allow_tf32 for flag in flags] == [True, True]


# On a GPU


@gpu
@pytest.mark.parametrize("case", CASES)
def test_graph_and_eager_steps_agree(monkeypatch, case):
    """Up to float32's rounding: another mask of dropout, sample or rate would show at once."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    (network, step), (other, eager) = make(case, "cuda", cuda_graph=True), make(case, "cuda")
    train(step, "cuda", epochs=3)
    train(eager, "cuda", epochs=3)
    assert step._capture is not None and step._capture.is_captured
    theirs = dict(other.named_parameters())
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, theirs[name], rtol=1e-3, atol=1e-5)
    assert step.loss_sum.item() == pytest.approx(eager.loss_sum.item(), rel=1e-4)


@gpu
@pytest.mark.parametrize("case", CASES)
def test_no_host_waits_for_a_step_on_a_gpu(case):
    _, step = make(case, "cuda")
    train(step, "cuda", epochs=1)  # compiles
    batches = permutation(44, 1, device="cuda").split(BATCH)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for indices in batches:
            step(indices, 0.1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@gpu
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.is_trained])
def test_an_epoch_with_a_graph_gives_the_row_of_one_without(method):
    rows = []
    for cuda_graph in (False, True):
        run = tiny_run(method, batch_size=BATCH, learning_rate=0.02)
        network = starting_network(run, torch.device("cuda"), None)
        trainer = Trainer(network, run.settings, random_splits(device="cuda"), seed=1, cuda_graph=cuda_graph)
        rows.append([trainer.train_epoch(epoch) for epoch in (1, 2)])
    for eager, graph in zip(*rows, strict=True):
        assert vars(graph) == pytest.approx(vars(eager), rel=1e-3)


@gpu
def test_a_gpu_orders_images_as_a_processor_does():
    assert torch.equal(permutation(5000, "order", 1, device="cuda").cpu(), permutation(5000, "order", 1))
