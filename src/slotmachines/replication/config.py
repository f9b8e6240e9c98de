"""Reading and checking the config of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slotmachines.data.registry import find
from slotmachines.errors import UserError


def check_config(config: Mapping[str, Any], schema: str | Path) -> None:
    """Check a grid's config against its schema, and its parts against each other.

    Raises:
        UserError: one line that names the first entry that is wrong, and why.
    """
    validator = Draft202012Validator(yaml.safe_load(Path(schema).read_text()))
    error = best_match(validator.iter_errors(dict(config)))
    if error is not None:
        place = ".".join(str(step) for step in error.absolute_path)
        raise UserError(f"config: {place or 'top level'}: {error.message}")
    for name, experiment in config["experiments"].items():
        for network in experiment["networks"]:
            if network not in config["networks"]:
                raise UserError(f"config: experiments.{name}: add {network} and its dataset to networks")
    for network in config.get("settings", {}):
        if network not in config["networks"]:
            raise UserError(f"config: settings: {network} is none of the grid's networks; remove it, or add it there")
    for dataset in map(find, config["networks"].values()):
        if dataset.name not in config["tolerance"]:
            raise UserError(f"config: tolerance: add one for {dataset.name}, in points of accuracy")


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a grid's configuration as it is written; the workflow has checked it against its schema."""
    try:
        config = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give the configuration of a grid") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict) or not {"grid", "networks", "experiments"} <= set(config):
        raise UserError(f"{path} is not the configuration of a grid; see the files in config/")
    return config
