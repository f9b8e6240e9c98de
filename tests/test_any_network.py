"""Networks of others as slot machines: torchvision's resnet18 and vit_b_16, and small ones, trained on the digits."""

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer, resnet18, vit_b_16
from torchvision.models.resnet import BasicBlock

from slotmachines import bake_, selected_options, slotify_
from slotmachines.slots.convert import slot_machines

RAW = {"class_token", "encoder.pos_embedding"}  # parameters of vit_b_16 itself, not weights of its layers


@pytest.mark.parametrize(
    ("build", "weights"),
    [(resnet18, 20 + 1), pytest.param(vit_b_16, 1 + 12 * 4 + 1, marks=pytest.mark.slow)],
)
def test_networks_of_torchvision(build, weights):
    torch.manual_seed(0)
    network = build(weights=None)
    before = dict(network.state_dict())
    expected = {name for name, parameter in network.named_parameters() if parameter.ndim > 1} - RAW
    kept = {name: value.clone() for name, value in before.items() if name not in expected}
    slotify_(network, options=2)
    assert {one.name for one in slot_machines(network)} == expected and len(expected) == weights
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in kept.items())
    assert all(isinstance(network.get_parameter(name), nn.Parameter) for name in RAW & before.keys())
    images = torch.randn(2, 3, 64, 64) if build is resnet18 else torch.randn(1, 3, 224, 224)
    network.train()(images).square().sum().backward()
    for one in slot_machines(network):
        assert one.trained.grad.isfinite().all() and one.trained.grad.any(), one.name
        assert one.selector.score_scale.grad == 0
    assert all(parameter.grad is not None for parameter in network.parameters())
    network.eval()
    with torch.no_grad():
        outputs = network(images)
        assert outputs.isfinite().all() and torch.equal(bake_(network)(images), outputs)
    assert network.state_dict().keys() == before.keys()


class RowTransformer(nn.Module):
    """Reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.position = nn.Parameter(0.1 * torch.randn(8, 32))
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.last = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.encoder(self.embed(images[:, 0]) + self.position).mean(1))


def vision_transformer() -> nn.Module:
    return VisionTransformer(
        image_size=8, patch_size=2, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=10
    )


def residual_network() -> nn.Module:
    shortcut = nn.Sequential(nn.Conv2d(16, 32, 1, stride=2, bias=False), nn.BatchNorm2d(32))
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        BasicBlock(16, 16), BasicBlock(16, 32, stride=2, downsample=shortcut),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def digits() -> tuple[Tensor, Tensor]:
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    return images.expand(-1, 3, -1, -1), torch.tensor(data.target)


@pytest.mark.parametrize("build", [RowTransformer, vision_transformer, residual_network])
def test_small_networks_learn_by_choosing(build):
    images, labels = digits()
    torch.manual_seed(0)
    network = slotify_(build(), options=8, score_range=0.3)
    start = copy.deepcopy(selected_options(network))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(100):
        batch = torch.randint(1500, (64,))
        optimiser.zero_grad()
        functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.3)
        optimiser.step()
    for name, options in selected_options(network).items():
        assert (options != start[name]).any(), f"{name} has not been trained"
    baked = bake_(network.eval())
    with torch.no_grad():
        accuracy = (baked(images[1500:]).argmax(1) == labels[1500:]).float().mean().item()
    assert accuracy > 0.4  # chance: 0.1
