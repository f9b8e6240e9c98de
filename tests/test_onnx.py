"""ONNX files of networks, run by onnxruntime."""

import copy

import pytest
import torch
from torch import nn

from conftest import images, scramble, small_network
from slotmachines import UserError, bake_, export_onnx, mask_, onnx_file, slotify_

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def needed():
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)


def outputs(path, example: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: example.numpy()})[0])


@pytest.mark.parametrize("make", [
    lambda: scramble(slotify_(small_network(), options=8)),
    lambda: mask_(small_network(), "edge_popup"),
    small_network,
], ids=["slot machine", "masks", "ordinary"])  # fmt: skip
def test_onnxruntime_gives_the_outputs_of_the_baked_network_for_any_number_of_examples(make, tmp_path):
    network = make()
    before = copy.deepcopy(network.state_dict())
    check = export_onnx(network, tmp_path / "a.onnx", images(4))
    assert network.training and all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    if network[0].weight is not network[0]._parameters.get("weight"):
        bake_(network)
    network.eval()
    for count in (1, 3, 17):
        expected = network(images(count, seed=count)).detach()
        assert torch.allclose(outputs(tmp_path / "a.onnx", images(count, seed=count)), expected, atol=1e-5)
    assert check.difference < 1e-5 and check.same_answers and check.examples == 5
    assert check.file_bytes == (tmp_path / "a.onnx").stat().st_size and len(list(tmp_path.iterdir())) == 1


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x, x


class Undefined(nn.Module):
    def forward(self, x):
        return x / 0


REFUSED = {
    "lazy": (lambda: nn.LazyLinear(3), images(2), "no numbers"),
    "on the meta device": (lambda: nn.Linear(3, 3, device="meta"), images(2), "cannot be exported"),
    "one example": (small_network, images(1), "at least 2"),
    "images of another shape": (small_network, torch.rand(2, 1, 3, 3), "does not run on the example"),
    "two outputs": (TwoOutputs, images(2), "one tensor"),
    "not finite": (Undefined, images(2), "finite"),
}


@pytest.mark.parametrize("make, example, message", REFUSED.values(), ids=REFUSED.keys())
def test_refusals_leave_the_file(make, example, message, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match=message):
        export_onnx(make(), path, example)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    write = onnx_file._write

    def wrong(network, example, path):
        other = copy.deepcopy(network)
        with torch.no_grad():
            other[6].bias += 1
        write(other, example, path)

    monkeypatch.setattr(onnx_file, "_write", wrong)
    with pytest.raises(UserError, match="differ from PyTorch's"):
        export_onnx(small_network(), tmp_path / "a.onnx", images(2))
    assert not list(tmp_path.iterdir())


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "\.\[onnx\]"'):
        export_onnx(small_network(), tmp_path / "a.onnx", images(2))
