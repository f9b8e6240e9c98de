"""The schema of a grid's config, and checking a config against it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from slotmachines.distributions import DISTRIBUTIONS
from slotmachines.errors import UserError, did_you_mean, one_line
from slotmachines.methods import RIVALS
from slotmachines.networks.names import NETWORKS
from slotpipeline.data.datasets import find
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.plain_yaml import parse_yaml, read_yaml, require_plain
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import checked_settings

_TAKEN = ("benchmark",)
"""Folders of results/ that belong to no grid."""


def config_schema() -> dict[str, Any]:
    """The JSON schema of a grid's config, which says what each entry means, with the names of the registries."""
    text = (resources.files("slotpipeline.experiments") / "config.schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = parse_yaml(text, "the schema of configs")
    schema["properties"]["experiments"]["properties"] = {name: one.schema for name, one in EXPERIMENTS.items()}
    schema["$defs"]["network"]["enum"] = list(NETWORKS)
    schema["$defs"]["rival"]["enum"] = list(RIVALS)
    schema["$defs"]["rival_recipe"]["enum"] = list(RIVAL_RECIPES)
    schema["$defs"]["distribution"]["enum"] = list(DISTRIBUTIONS)
    return schema


def checked_config(config: Mapping[str, Any], where: str = "config") -> dict[str, Any]:
    """A grid's config with the defaults filled in, checked against its schema and its parts against each other.

    Args:
        where: the source of the config, such as its file, which the message begins with.

    Raises:
        UserError: one line that names the first entry that is wrong, and why.
    """
    require_plain(config, where)
    schema = config_schema()
    error = best_match(Draft202012Validator(schema).iter_errors(dict(config)))
    if error is not None:
        place = ".".join(str(step) for step in error.absolute_path)
        raise UserError(f"{where}: {place or 'top level'}: {one_line(error.message)}{_near(error)}")
    if config["grid"] in _TAKEN:
        raise UserError(f"{where}: grid: results/{config['grid']} holds something else; choose another name")
    defaults = {name: entry["default"] for name, entry in schema["properties"].items() if "default" in entry}
    whole = deepcopy({**config, **{name: value for name, value in defaults.items() if name not in config}})
    for name, experiment in whole["experiments"].items():
        for network in experiment["networks"]:
            if network not in whole["networks"]:
                raise UserError(f"{where}: experiments.{name}: add {network} and its dataset to networks")
    for network in whole["settings"]:
        if network not in whole["networks"]:
            raise UserError(f"{where}: settings: {network} is none of the grid's networks; remove it, or add it there")
        checked_settings(whole["settings"][network], f"{where}: settings.{network}", whole["networks"][network])
    for dataset in map(find, whole["networks"].values()):
        if dataset.name not in whole["tolerance"]:
            raise UserError(f"{where}: tolerance: add one for {dataset.name}, in points of accuracy")
    return whole


def _near(error: ValidationError) -> str:
    """Of a key that is unknown there, which of the known ones was probably meant."""
    known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    if error.validator != "additionalProperties" or not isinstance(error.instance, Mapping):
        return ""
    unknown = [key for key in error.instance if key not in known]
    return did_you_mean(str(unknown[0]), known) if unknown else ""


def read_grid(path: Path) -> dict[str, Any]:
    """The config of a grid from its file, checked and with its defaults.

    Raises:
        UserError: one line that names the file, the first entry that is wrong, and why.
    """
    return checked_config(read_config(path), str(path))


def grids_of(folder: Path) -> dict[Path, dict[str, Any]]:
    """File -> configuration of each grid in a folder; other YAML files, such as the claims, are left out.

    Raises:
        UserError: a file is damaged, or the configuration of a grid is not valid.
    """
    found = {path: read_yaml(path, "the configuration of a grid") for path in sorted(folder.glob("*.yaml"))}
    return {
        path: checked_config(content, str(path))
        for path, content in found.items()
        if isinstance(content, dict) and {"grid", "experiments"} <= set(content)
    }
