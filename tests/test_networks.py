"""The networks have the sizes, and the parts, that the paper's networks have."""

import pytest
import torch
from torch import nn

from slotmachines import UserError, build_network
from slotmachines.networks import NETWORKS

# Number of weights: with padding 1, and with that of the released code.
WEIGHTS = {
    "lenet": 266_200, "conv2": 4_300_992, "conv4": 2_425_024, "conv6": 2_261_184, "conv8": 5_275_840,
    "vgg19": 20_024_000, "resnet20": 270_896,
}  # fmt: skip
WEIGHTS_CODE = {"conv2": 3_317_952, "conv4": 1_147_072, "conv6": 1_474_752}


@pytest.fixture
def build():
    def on_meta(name, **settings):
        with torch.device("meta"):  # sizes without numbers
            return build_network(name, **settings)

    return on_meta


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.ndim > 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_its_images_and_tells_any_number_of_classes_apart(build, name):
    images = torch.empty(2, *NETWORKS[name].input_shape, device="meta")
    assert build(name)(images).shape == (2, 10)
    assert build(name, classes=7)(images).shape == (2, 7)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_and_shapes(build, name):
    assert count(build(name)) == WEIGHTS[name]
    assert NETWORKS[name].input_shape == ((1, 28, 28) if name == "lenet" else (3, 32, 32))


@pytest.mark.parametrize("name", WEIGHTS_CODE)
def test_weights_with_the_padding_of_the_released_code(build, name):
    network = build(name, padding="code")
    assert count(network) == WEIGHTS_CODE[name]
    assert network(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 10)
    assert count(build(name, padding="same")) == WEIGHTS[name]


@pytest.mark.parametrize("name", WEIGHTS)
def test_parameters_are_weights_of_linear_and_conv_layers_and_learned_normalisation_of_resnet20(build, name):
    network = build(name)
    owners = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    learned = [norm for norm in norms if norm.affine]
    assert all(module.bias is None for module in owners)
    assert len(list(network.parameters())) == len(owners) + 2 * len(learned)
    assert len(norms) == {"vgg19": 16, "resnet20": 19}.get(name, 0)
    assert len(learned) == (19 if name == "resnet20" else 0)


def test_layers_of_the_largest_networks(build):
    names = ("conv6", "conv8", "vgg19")
    convolutions = {n: [m.out_channels for m in build(n) if isinstance(m, nn.Conv2d)] for n in names}
    assert convolutions["conv6"] == [64, 64, 128, 128, 256, 256]
    assert convolutions["conv8"] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert build("conv8").dense1.in_features == 2048
    assert convolutions["vgg19"] == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert sum(isinstance(module, nn.MaxPool2d) for module in build("vgg19")) == 4
    assert isinstance(build("vgg19").pool5, nn.AvgPool2d)


@pytest.mark.parametrize("name", ["conv2", "conv4", "conv6", "conv8"])
def test_dropout_comes_before_the_first_and_the_second_dense_layer(build, name):
    layers = list(build(name))
    before = [layers[i - 1] for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    assert [isinstance(layer, nn.Dropout) for layer in before] == [True, True, False]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert build(name, dropout=0.1).dropout1.p == 0.1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("lenet5", {}, "unknown network 'lenet5': use one of lenet, conv2, conv4, conv6, conv8, vgg19, resnet20"),
        ("lenet", {"padding": "same"}, "lenet: .*unexpected keyword argument 'padding'"),
        ("vgg19", {"classes": -1}, "vgg19: classes must be at least 1, not -1; see build_network"),
        ("lenet", {"classes": "ten"}, "lenet: .*see build_network"),
        ("conv2", {"width": 3}, "conv2: .*unexpected keyword argument 'width'"),
        ("conv2", {"padding": "valid"}, "^unknown padding 'valid': use one of same, code$"),
        ("conv8", {"padding": "code"}, "^the released code has no conv8, so its padding is not known: use same$"),
        ("conv4", {"dropout": 2}, "conv4: dropout probability .*see build_network for its settings"),
    ],
)
def test_what_is_unknown_is_refused(name, settings, message):
    with pytest.raises(UserError, match=message) as error:
        build_network(name, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["conv2", "conv6", "vgg19"])
def test_pooling_before_relu_gives_the_bits_of_pooling_after_it(name):
    torch.manual_seed(0)
    settings = {} if name == "vgg19" else {"dropout": 0.0}
    network = build_network(name, **settings)
    layers = list(network)
    for place in range(len(layers) - 1):
        if isinstance(layers[place], nn.MaxPool2d) and isinstance(layers[place + 1], nn.ReLU):
            layers[place : place + 2] = layers[place + 1], layers[place]
    other = nn.Sequential(*layers)
    assert [type(layer) for layer in other] != [type(layer) for layer in network]
    # Of few values, so that there are ties, among them of zeros.
    images = torch.randint(-1, 2, (4, 3, 32, 32)).float().requires_grad_()
    outputs, gradients = [], []
    for one in (network, other):
        output = one(images)
        outputs.append(output)
        gradients.append(torch.autograd.grad(output.square().sum(), [images, *one.parameters()]))
    assert torch.equal(*(output.view(torch.int32) for output in outputs))
    for mine, theirs in zip(*gradients, strict=True):
        assert torch.equal(mine.view(torch.int32), theirs.view(torch.int32))
