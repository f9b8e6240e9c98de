"""Checking the config of a grid: the files of the project pass, and what is wrong is named in one line."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from slotmachines.errors import UserError
from slotpipeline.experiments.config_schema import checked_config, config_schema
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.runs.config import read_config
from synthetic import make_config

PROJECT = Path(__file__).parents[1]
STUDY = {"recipes": ["paper", "code"], "together": []}
GRIDS = [path for path in sorted(PROJECT.glob("config/*.yaml")) if path.stem not in ("claims", "predictions")]


def smoke() -> dict[str, Any]:
    return read_config(PROJECT / "config/smoke.yaml")


def with_experiment(config: dict[str, Any], name: str, **more: Any) -> None:
    config["experiments"][name] = {"networks": ["lenet"], "options": [2], **more}


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.stem)
def test_the_grids_of_the_project_are_in_order_and_named_as_their_files(file: Path) -> None:
    config = read_config(file)
    checked_config(config)
    assert config["grid"] == file.stem


def test_what_is_left_out_has_its_default() -> None:
    config = smoke()
    for name in ("seeds", "settings", "recipes"):
        del config[name]
    before = deepcopy(config)
    whole = checked_config(config)
    assert whole == {**config, "seeds": [0, 1, 2, 3, 4], "settings": {}, "recipes": {}, "chosen_by": {}, "threads": 1}
    assert config == before and checked_config(whole) == whole
    assert checked_config(smoke())["seeds"] == [0, 1, 2]


def test_the_examples_in_the_schemas_of_the_experiments_are_in_order() -> None:
    config = make_config()
    assert list(config["experiments"]) == list(EXPERIMENTS)
    assert checked_config(config)["experiments"] == config["experiments"]


def test_every_field_of_the_schema_says_what_it_is() -> None:
    def described(schema: dict[str, Any]) -> bool:
        return "description" in schema or "$ref" in schema

    schema = config_schema()
    experiments = schema["properties"]["experiments"]["properties"]
    for properties in (schema["properties"], experiments, *(shape["properties"] for shape in experiments.values())):
        assert all(described(field) for field in properties.values())
    assert list(experiments) == list(EXPERIMENTS)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sharing", {"seeds": [7]}),
        ("finetune-checkpoints", {"every": 10}),
        ("recipe-study", STUDY),
        ("recipe-study", STUDY | {"together": [["value bound", "score range", "padding"]]}),
        ("large-k", {"learning_rates": [], "score_range_base": 8}),
    ],
)
def test_experiments_that_are_in_order(name: str, more: dict[str, Any]) -> None:
    config = smoke()
    with_experiment(config, name, **more)
    checked_config(config)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda config: config.pop("grid"), "'grid' is a required property"),
        (lambda config: config.update(grid="../up"), "config: grid"),
        (lambda config: config.update(color="red"), "'color' was unexpected"),
        (lambda config: config.update(sedes=[1]), "'sedes' was unexpected); did you mean seeds?"),
        (lambda config: config["experiments"].update({"k-swep": {}}), "did you mean k-sweep"),
        (
            lambda config: config["settings"].update(lenet={"epochs": "many"}),
            "config: settings.lenet: epochs cannot be 'many'; give a whole number",
        ),
        (
            lambda config: config["settings"].update(lenet={"epoch": 3}),
            "config: settings.lenet: unknown setting epoch",
        ),
        (lambda config: config.update(seeds=[]), "config: seeds"),
        (lambda config: config.update(seeds=[0, "a"]), "config: seeds.1: 'a' is not of type 'integer'"),
        (lambda config: config.update(seeds=[1, 1]), "config: seeds"),
        (lambda config: config["networks"].update(resnet="digits"), "config: networks"),
        (lambda config: config["networks"].update(lenet="digit"), "unknown dataset 'digit'"),
        (lambda config: config["tolerance"].update(digits=0), "config: tolerance.digits"),
        (lambda config: config["tolerance"].clear(), "config: tolerance: add one for digits"),
        (lambda config: config["settings"].update(conv6={"epochs": 1}), "config: settings: conv6"),
        (lambda config: config["experiments"].update(shares={}), "'shares' was unexpected"),
        (
            lambda config: config["experiments"].update(sharing={}),
            "config: experiments.sharing: 'networks' is a required",
        ),
        (lambda config: config["experiments"]["k-sweep"].update(seeds=[]), "config: experiments.k-sweep.seeds"),
        (lambda config: config.update(chosen_by={"lenet5": [2]}), "config: chosen_by: 'lenet5' is not one of"),
        (lambda config: config.update(chosen_by={"lenet": 2}), "config: chosen_by.lenet: 2 is not of type 'array'"),
        (lambda config: with_experiment(config, "finetune-checkpoints"), "'every' is a required property"),
        (lambda config: with_experiment(config, "finetune-checkpoints", every=0), "0 is less than the minimum of 1"),
        (
            lambda config: with_experiment(config, "recipe-study", recipes=["paper"], together=[]),
            "recipe-study.recipes",
        ),
        (
            lambda config: with_experiment(config, "recipe-study", **STUDY | {"together": [["momentum", "padding"]]}),
            "'momentum' is not one of",
        ),
        (
            lambda config: with_experiment(config, "large-k", learning_rates=[0], score_range_base=8),
            "large-k.learning_rates.0",
        ),
        (lambda config: config["experiments"]["k-sweep"].update(options=[0]), "0 is less than the minimum of 1"),
        (lambda config: config["experiments"]["k-sweep"].update(start_epoch=1), "'start_epoch' was unexpected"),
        (lambda config: config["experiments"]["finetune"].pop("start_epoch"), "'start_epoch' is a required property"),
        (lambda config: config["experiments"]["k-sweep"].update(networks=["conv6"]), "add conv6 and its dataset"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change: Callable[[dict[str, Any]], object], complaint: str) -> None:
    config = smoke()
    change(config)
    with pytest.raises(UserError) as refusal:
        checked_config(config)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"a: [", b"\xff\xfe\x00"])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "grid.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"grid\.yaml"):
        read_config(tmp_path / "grid.yaml")
    with pytest.raises(UserError, match=r"none\.yaml"):
        read_config(tmp_path / "none.yaml")
