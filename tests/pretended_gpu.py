"""What stands in for a GPU on a processor: kernels that depend on no value, and graphs that replay what they saw."""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from slotpipeline.training.own_randomness import OwnRandomness

IN_USE = OwnRandomness.in_use
WAITS = ("_local_scalar_dense", "nonzero", "nonzero_numpy", "masked_select", "equal", "_unique2", "is_nonzero")
"""Operations that a host has to wait for."""


class DenseKernels:
    """In place of a GPU's kernels: all options of all connections, so that nothing depends on a value."""

    def select_best_(self, theta, score_scale, cache, pool):
        values, scores = pool.table(len(theta))
        return values.gather(0, (scores * score_scale + values * theta).argmax(0)[None])[0]

    def select_sample(self, theta, score_scale, key, pool):
        values, scores = pool.table(len(theta))
        chances = (scores * score_scale + values * theta).softmax(0).cumsum(0)
        position = (key % 1000) / 1000
        return values.gather(0, (chances < position).sum(0)[None].clamp(max=pool.options - 1))[0]


class Recording(TorchDispatchMode):
    """The operations of a function, with the tensors that they read and wrote.

    As of a capture, no trace of them is left: what existed before, and random generators, are put back. A replay
    does the same operations on the same tensors, whatever these hold by then. So a number that the host looked at, or
    a tensor that was replaced, shows in what a replay computes.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.before, self.made, self.states = [], {}, set(), {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert function.overloadpacket.__name__ not in WAITS, f"{function} waits for the device"
        for argument, value in zip(function._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._remember(value)
        for argument in function._schema.arguments:
            if argument.name in kwargs and argument.alias_info is not None and argument.alias_info.is_write:
                self._remember(kwargs[argument.name])
        result = function(*args, **kwargs)
        self.calls.append((function, args, kwargs, result))
        if not function.is_view:
            self.made |= {storage_of(one) for one in tensors_in(result)} - {storage_of(o) for o in tensors_in(args)}
        return result

    def _remember(self, value):
        for tensor in tensors_in(value):
            if storage_of(tensor) not in self.made | set(self.before):
                self.before[storage_of(tensor)] = (tensor.untyped_storage(), tensor.untyped_storage().clone())

    def __enter__(self):
        self.generator = torch.get_rng_state()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        torch.set_rng_state(self.generator)
        for storage, value in self.before.values():
            storage.copy_(value)
        for own, state in self.states.items():
            own._state = state

    @contextmanager
    def in_use(self, own):
        """A stream of random numbers of its own within the recording: used in each replay, too."""
        self.states.setdefault(own, own._state)
        block = [own]
        self.calls.append(block)
        with IN_USE(own):
            yield
        self.calls.append(block)

    @torch.no_grad()
    def replay(self):
        block = None
        for call in self.calls:
            if isinstance(call, list):  # where a stream of random numbers begins to be used, or ends
                if block is None:
                    block = IN_USE(call[0])
                    block.__enter__()
                else:
                    block.__exit__(None, None, None)
                    block = None
                continue
            function, args, kwargs, result = call
            if not function.is_view:  # a view shows what is in its base
                again = function(*args, **kwargs)
                for mine, new in zip(tensors_in(result), tensors_in(again), strict=True):
                    if storage_of(mine) != storage_of(new):
                        mine.detach().copy_(new)


def tensors_in(values):
    return [one for one in tree_leaves(values) if isinstance(one, torch.Tensor)]


def storage_of(tensor):
    return tensor.untyped_storage().data_ptr()


def pretend_graphs(monkeypatch) -> list[str]:
    """CUDA graphs and streams on a processor; returns what is done with them: captures and replays."""
    done = []

    class Stream:
        def wait_stream(self, other):
            assert isinstance(other, Stream)

    class Graph:
        def replay(self):
            done.append("replay")
            self.recording.replay()

    @contextmanager
    def graph(graph, stream):
        assert isinstance(stream, Stream)
        done.append("capture")
        graph.recording = recording = Recording()
        with recording, pytest.MonkeyPatch.context() as patch:
            patch.setattr(OwnRandomness, "in_use", lambda own: recording.in_use(own))
            yield

    stream = Stream()
    for name, pretended in {
        "current_stream": lambda device: stream, "default_stream": lambda device: stream, "CUDAGraph": Graph,
        "Stream": lambda device: Stream(), "stream": lambda stream: nullcontext(), "graph": graph,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, pretended)
    return done
