"""What the command line of Snakemake gives a grid."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from snakemake.cli import get_profile_dir, parse_config
from snakemake.profiles import ProfileConfigFileParser

from slotmachines.errors import UserError, did_you_mean
from slotpipeline.plain_yaml import read_yaml

_NEARLY = 0.75
"""How near a word is to a name, from 0 to 1, if it is probably meant."""


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


def require_profile(words: Sequence[str], project: Path) -> None:
    """Refuse a workflow profile that does not exist: Snakemake would go on without it, and train on this machine.

    Args:
        words: of the command line, from which alone rules can learn of the option.
        project: its folder, in whose `profiles` Snakemake looks, too.

    Raises:
        UserError: Snakemake would find none of that name.
    """
    for name in _profile_names(words):
        if name and name != "none" and not any(one.exists() for one in _profile_places(name, project)):
            there = sorted(path.parent.name for path in project.glob("profiles/*/config.yaml"))
            near = did_you_mean(Path(name).name, there)
            raise UserError(f"there is no profile {name}; profiles/ has {', '.join(there)}{near}")


def config_of_profile(words: Sequence[str], project: Path) -> dict[str, Any]:
    """The entries of `config` in the workflow profile, which Snakemake drops where the command line has `--config`.

    Args:
        words: of the command line, from which alone rules can learn of the profile.
        project: its folder.
    """
    name = [*_profile_names(words), ""][0] or "default"
    place = next((one for one in _profile_places(name, project) if one.exists()), None)
    if name == "none" or place is None or (found := get_profile_dir(str(place))) is None:
        return {}
    with found[1].open(encoding="utf-8") as stream:
        return dict(parse_config(ProfileConfigFileParser().parse(stream).get("config")))


def _profile_names(words: Sequence[str]) -> list[str]:
    """What the option --workflow-profile, which may be shortened, is given; blank where nothing follows it."""
    found = []
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option.startswith("--workflow-p") and "--workflow-profile".startswith(option):
            found.append(value if equals else next(iter(words[place + 1 :]), ""))
    return found


def _profile_places(name: str, project: Path) -> list[Path]:
    """Where Snakemake looks for a profile, the first place first."""
    return [Path(name), Path("profiles") / name, project / "profiles" / name]


def require_spelt_experiments(words: Sequence[str], experiments: Collection[str], rules: Collection[str]) -> None:
    """Refuse a word that is nearly the name of an experiment; Snakemake would speak of a rule that is missing.

    Args:
        words: of the command line, as targets are unknown while rules are read. What is no target there, such as the
            value of an option, is left alone, as it is not so near to a name.
        experiments: of the grid.
        rules: all other names that may be asked for.

    Raises:
        UserError: a word is neither, and nearly an experiment.
    """
    for word in words:
        if word in rules or word in experiments or any(letter in word for letter in "/.=") or Path(word).exists():
            continue
        if get_close_matches(word, experiments, cutoff=_NEARLY):
            raise UserError(
                f"the grid has no experiment {word}{did_you_mean(word, experiments)} (it has {', '.join(experiments)})"
            )
