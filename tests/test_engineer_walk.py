"""What an engineer meets who puts slot machines into training code of their own: the two groups of parameters that
probabilistic selection needs, and lines that say what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel

from slotmachines import UserError, bake_, load_ticket, mask_, save_ticket, selected_options, slotify_

PAGE = Path(__file__).parents[1] / "docs/training.md"


def network() -> nn.Sequential:
    """Normalisation and biases, which are trained beside the slot machines."""
    torch.manual_seed(0)
    layers = (nn.Linear(64, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(48, 10))


def accuracy_after(trained: nn.Module, optimiser: torch.optim.Optimizer, steps: int = 150) -> float:
    digits = load_digits()
    images, labels = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    for batch in torch.randint(1500, (steps, 64)):
        optimiser.zero_grad()
        cross_entropy(trained(images[batch]), labels[batch]).backward()
        optimiser.step()
    right: Tensor = trained.eval()(images[1500:]).argmax(1) == labels[1500:]
    return right.float().mean().item()


def test_the_two_groups_of_the_page_learn_where_one_rate_stays_at_chance() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"torch": torch, "network": slotify_(network(), options=8, selection="probabilistic")}
    exec(code, names)
    trained = {id(one) for group in names["optimiser"].param_groups for one in group["params"]}
    assert trained == {id(one) for one in names["network"].parameters()}
    assert accuracy_after(names["network"], names["optimiser"]) > 0.75
    alone = slotify_(network(), options=8, selection="probabilistic")
    assert accuracy_after(alone, torch.optim.SGD(alone.parameters(), 25.0, momentum=0.9)) < 0.4


def test_the_state_of_a_mask_and_of_a_slot_machine_are_told_apart() -> None:
    slots, masked = slotify_(network(), options=4), mask_(network(), "edge_popup")
    with pytest.raises(RuntimeError, match="belongs to a mask, EdgePopup: call mask_"):
        slots.load_state_dict(masked.state_dict())
    with pytest.raises(RuntimeError, match="belongs to a slot machine: call slotify_"):
        masked.load_state_dict(slots.state_dict())
    with pytest.raises(RuntimeError, match=r"options=4 \(here 8\): call slotify_"):
        slotify_(network(), options=8).load_state_dict(slots.state_dict())


def test_a_ticket_of_a_wrapped_network_says_so(tmp_path: Path) -> None:
    save_ticket(nn.DataParallel(slotify_(network(), options=2)), tmp_path / "ticket")
    with pytest.raises(UserError, match=r"load the ticket into nn\.ModuleDict"):
        load_ticket(network(), tmp_path / "ticket")
    with pytest.raises(UserError, match="build the network that was trained"):
        load_ticket(nn.Sequential(nn.Linear(64, 10)), tmp_path / "ticket")


def test_a_ticket_of_an_averaged_network_says_which_part_to_save(tmp_path: Path) -> None:
    averaged = AveragedModel(slotify_(network(), options=2))
    save_ticket(averaged, tmp_path / "ticket")
    with pytest.raises(UserError, match=r"save_ticket\(averaged\.module, path\)"):
        load_ticket(network(), tmp_path / "ticket")
    save_ticket(averaged.module, tmp_path / "ticket")
    load_ticket(network(), tmp_path / "ticket")


@pytest.mark.parametrize("convert", [lambda net: slotify_(net, options=4), lambda net: mask_(net, "edge_popup")])
def test_an_average_of_whole_states_says_that_settings_are_no_numbers_to_average(convert: Any) -> None:
    other = convert(network())
    state, extra = other.state_dict(), [name for name in other.state_dict() if name.endswith("_extra_state")]
    averaged = {name: (value + value) / 2 for name, value in state.items()}
    with pytest.raises(RuntimeError, match="keep _extra_state as it was saved"):
        convert(network()).load_state_dict(averaged)
    convert(network()).load_state_dict({**averaged, **{name: state[name] for name in extra}})


class Positions(nn.Module):
    """A network that holds a table itself, beside a layer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.zeros(10, 64)))
        self.last = nn.Linear(64, 10)


def test_a_tensor_of_the_network_itself_is_left_out_by_the_blank_name() -> None:
    with pytest.raises(UserError, match=r"leave the layer out by filter_fn.*the name of its layer is ''"):
        slotify_(Positions("table"), options=4)
    found = slotify_(Positions("table"), options=4, filter_fn=lambda layer, name: name != "")
    assert list(selected_options(found)) == ["last.weight"]
    slotify_(Positions("pos"), options=4)  # a usual name of what is added to activations


def test_what_is_selected_already_is_baked_first() -> None:
    once = slotify_(network(), options=2)
    with pytest.raises(UserError, match=r"0\.weight is selected already, by SlotMachine; call bake_ first"):
        slotify_(once, options=2)
    slotify_(bake_(once), options=2)
