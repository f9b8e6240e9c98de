"""Reading the config of a grid; `slotpipeline.experiments.config_schema` checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slotmachines.errors import UserError
from slotpipeline.plain_yaml import read_yaml


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a grid's configuration as it is written: neither checked nor with its defaults, see `checked_config`."""
    config = read_yaml(path, "the configuration of a grid")
    if not isinstance(config, dict) or not {"grid", "networks", "experiments"} <= set(config):
        raise UserError(f"{path} is not the configuration of a grid; see the files in config/")
    return config
