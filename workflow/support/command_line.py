"""What the command line of Snakemake gives a grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from slotmachines.errors import UserError
from slotpipeline.plain_yaml import read_yaml


def typed(value: Any) -> Any:
    """A value of `--config`, in which Snakemake leaves all that is in a list or a mapping as text."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    if not isinstance(value, str):
        return value
    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return found if isinstance(found, bool | int | float) else value


def require_one_config(files: Sequence[Path]) -> None:
    """Refuse config files that Snakemake would merge, or read otherwise than they were meant.

    Raises:
        UserError: there are several, or one with a key that occurs twice.
    """
    if len(files) > 1:
        names = ", ".join(str(file) for file in files)
        raise UserError(f"--configfile names {len(files)} files ({names}); a grid is one file, so give one of them")
    for file in files:
        read_yaml(os.path.relpath(file), "the configuration of a grid")


def require_project_folder(project: Path) -> None:
    """Refuse to work in another folder than the project's, which the rules' paths are relative to.

    Raises:
        UserError: the process is elsewhere.
    """
    if Path.cwd().resolve() != project.resolve():
        raise UserError(f"the workflow runs in the project's folder only; leave out --directory, and cd {project}")


def require_results_kept(words: Sequence[str]) -> None:
    """Refuse the option of Snakemake that deletes results, also those that are recorded in one file alone.

    Args:
        words: of the command line, from which alone rules can learn of the option.

    Raises:
        UserError: it is there, and no dry run.
    """
    if "--delete-all-output" in words and not {"-n", "--dry-run", "--dryrun"} & set(words):
        raise UserError(
            "--delete-all-output would delete the only record of runs, runs.csv; delete by hand what may go"
        )
