"""A trained network as a folder for Hugging Face: what is in it, what comes back, and what is refused."""

import copy
import json

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from conftest import images, scramble, small_network
from slotmachines import (
    Score,
    UserError,
    bake_,
    build_network,
    load_model_folder,
    load_ticket,
    mask_,
    save_model_folder,
    save_ticket,
    slotify_,
)
from slotmachines.model_folder import CARD, CONFIG, MODEL, TICKET


def slot_machine(**more) -> nn.Module:
    network = scramble(slotify_(small_network(), options=8, **more))
    network(images())  # batch normalisation gathers statistics
    return network


def same(state, other) -> bool:
    return state.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in state.items()
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("without", [(), (MODEL,), (TICKET,)])
def test_a_slot_machine_comes_back_bit_by_bit_from_either_file(without, tmp_path):
    network = slot_machine()
    before = copy.deepcopy(network.state_dict())
    save_model_folder(network, tmp_path / "f")
    assert same(before, network.state_dict()) and network.training
    for name in without:
        (tmp_path / "f" / name).unlink()
    loaded = small_network()
    assert load_model_folder(tmp_path / "f", loaded) is loaded
    assert same(loaded.state_dict(), bake_(network).state_dict())


def test_other_programs_read_the_weights(tmp_path):
    network = slot_machine()
    save_model_folder(network, tmp_path / "f")
    assert same(load_file(tmp_path / "f" / MODEL), bake_(network).state_dict())
    with safe_open(tmp_path / "f" / MODEL, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_network_of_the_registry_is_built_without_a_module(tmp_path):
    network = slotify_(build_network("lenet", classes=7), options=2)
    save_model_folder(network, tmp_path / "f", network="lenet", settings={"classes": 7})
    assert same(load_model_folder(tmp_path / "f").state_dict(), bake_(network).state_dict())
    (tmp_path / "f" / MODEL).unlink()
    assert same(load_model_folder(tmp_path / "f").state_dict(), network.state_dict())


def test_masks_and_ordinary_networks_have_no_ticket_and_leave_none_behind(tmp_path):
    folder = tmp_path / "f"
    save_model_folder(slot_machine(), folder)
    masked = mask_(small_network(), "edge_popup")
    save_model_folder(masked, folder)
    assert set(contents(folder)) == {MODEL, CONFIG, CARD}
    assert same(load_model_folder(folder, small_network()).state_dict(), bake_(masked).state_dict())
    assert TICKET not in json.loads((folder / CONFIG).read_text())["files"]


def test_a_network_that_came_from_a_ticket_keeps_it(tmp_path):
    save_ticket(slot_machine(), tmp_path / "t")
    network = load_ticket(small_network(), tmp_path / "t")
    save_model_folder(network, tmp_path / "f", ticket=tmp_path / "t")
    assert (tmp_path / "f" / TICKET).read_bytes() == (tmp_path / "t").read_bytes()
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] += 1
    before = contents(tmp_path / "f")
    with pytest.raises(UserError, match="does not hold the weights"):
        save_model_folder(network, tmp_path / "f", ticket=tmp_path / "t")
    assert contents(tmp_path / "f") == before


def test_the_model_card_has_metadata_that_yaml_reads_and_the_numbers(tmp_path):
    score = Score("my: data | set", 98.25, 1000, note="93 images\nare not exact")
    save_model_folder(slot_machine(), tmp_path / "f", scores=[score], license="mit", description="About it.")
    text = (tmp_path / "f" / CARD).read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["license"] == "mit" and metadata["library_name"] == "slotmachines"
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == 98.25 and result["dataset"]["name"] == score.dataset
    for part in ("98.25", "1,000", "my: data \\| set", "93 images are not exact", "About it.", "4x1x3x3"):
        assert part in body


def test_the_code_of_the_model_card_runs(tmp_path):
    save_model_folder(build_network("lenet"), tmp_path / "f", network="lenet")
    text = (tmp_path / "f" / CARD).read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0].replace("path/to/this/folder", str(tmp_path / "f"))
    names: dict = {}
    exec(code, names)
    assert isinstance(names["network"], nn.Sequential)


def test_a_card_that_a_person_changed_is_not_replaced_and_other_files_stay(tmp_path):
    folder = tmp_path / "f"
    save_model_folder(slot_machine(seed=1), folder)
    (folder / ".gitattributes").write_text("x")
    save_model_folder(slot_machine(seed=2), folder)  # the generated one is
    with (folder / CARD).open("a") as card:
        card.write("By hand.\n")
    before = contents(folder)
    with pytest.raises(UserError, match="move it away"):
        save_model_folder(slot_machine(seed=3), folder)
    assert contents(folder) == before and before[".gitattributes"] == b"x"
    load_model_folder(folder, small_network())  # still loads


@pytest.mark.parametrize("damage", ["bit", "cut", "missing", "other"])
def test_damaged_weights_are_refused_and_the_module_stays(damage, tmp_path):
    save_model_folder(slot_machine(), tmp_path / "f")
    path = tmp_path / "f" / MODEL
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[-1] ^= 1
    elif damage == "cut":
        del content[-4:]
    elif damage == "other":
        save_model_folder(slot_machine(seed=9), tmp_path / "g")
        content = bytearray((tmp_path / "g" / MODEL).read_bytes())
    path.write_bytes(content)
    if damage == "missing":
        path.unlink()
        (tmp_path / "f" / TICKET).unlink()
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(UserError):
        load_model_folder(tmp_path / "f", network)
    assert same(before, network.state_dict())


CONFIGS = {
    "none": None,
    "no JSON": "{",
    "a list": "[]",
    "another library's": '{"model_type": "bert"}',
    "a later format": '{"library_name": "slotmachines", "format": 99}',
    "files of another kind": '{"library_name": "slotmachines", "format": 1, "network": null, "settings": {}, '
    '"files": {"model.safetensors": 1}, "scores": [], "version": "1"}',
    "scores of another kind": '{"library_name": "slotmachines", "format": 1, "network": null, "settings": {}, '
    '"files": {}, "scores": [3], "version": "1"}',
}


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS.keys())
def test_other_configs_are_refused(text, tmp_path):
    save_model_folder(slot_machine(), tmp_path / "f")
    (tmp_path / "f" / CONFIG).unlink()
    if text is not None:
        (tmp_path / "f" / CONFIG).write_text(text)
    with pytest.raises(UserError):
        load_model_folder(tmp_path / "f", small_network())


@pytest.mark.parametrize("settings", ['{"classes": 10000000000}', f'{{"classes": {10**30}}}', '{"name": "x"}'])
def test_a_config_cannot_make_a_huge_or_another_network(settings, tmp_path):
    save_model_folder(build_network("lenet"), tmp_path / "f", network="lenet")
    path = tmp_path / "f" / CONFIG
    path.write_text(path.read_text().replace('"settings": {}', f'"settings": {settings}'))
    with pytest.raises(UserError, match="lenet"):
        load_model_folder(tmp_path / "f")


def test_a_network_in_half_precision_comes_back_in_it(tmp_path):
    network = bake_(slotify_(build_network("lenet"), options=2)).bfloat16()
    save_model_folder(network, tmp_path / "f", network="lenet")
    assert same(load_model_folder(tmp_path / "f").state_dict(), network.state_dict())


def test_what_cannot_be_saved_leaves_no_folder(tmp_path):
    folder = tmp_path / "f"
    with pytest.raises(UserError, match="not the weights of lenet"):
        save_model_folder(slot_machine(), folder, network="lenet")
    with pytest.raises(UserError, match="unknown network"):
        save_model_folder(slot_machine(), folder, network="lenett")
    with pytest.raises(UserError, match="build_network"):
        save_model_folder(slot_machine(), folder, settings={"classes": 3})
    with pytest.raises(UserError, match="no numbers"):
        save_model_folder(nn.LazyLinear(3), folder)
    with pytest.raises(TypeError):
        save_model_folder("lenet", folder)  # type: ignore[arg-type]
    assert not folder.exists()


@pytest.mark.parametrize("wrong", [{"value": float("nan")}, {"value": "98"}, {"count": 0}, {"dataset": 3}])
def test_a_score_is_a_finite_number_of_at_least_one_example(wrong):
    with pytest.raises(ValueError):
        Score(**{"dataset": "mnist", "value": 1.0, "count": 1, **wrong})


def test_a_folder_without_a_known_network_asks_for_the_module(tmp_path):
    save_model_folder(slot_machine(), tmp_path / "f")
    with pytest.raises(UserError, match="a module of yours"):
        load_model_folder(tmp_path / "f")
