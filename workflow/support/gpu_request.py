"""Which training jobs get a GPU, by what the command line and the profile say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any

from slotmachines.errors import UserError, did_you_mean


def without_gpu(value: Any, networks: Collection[str]) -> frozenset[str]:
    """The networks that `--config without_gpu=[...]` trains on processor cores.

    Raises:
        UserError: it names another network than the grid's.
    """
    names = value if isinstance(value, list) else [value]
    for name in names:
        if name not in networks:
            near = did_you_mean(str(name), networks)
            raise UserError(
                f"--config without_gpu: {name!r} is none of the grid's networks ({', '.join(networks)}){near}"
            )
    return frozenset(names)


def gets_gpu(set_resources: Mapping[str, Any], limit: Any = None) -> bool:
    """Whether a job of which the rule asks for one GPU gets one, after what is set for the rule.

    Args:
        set_resources: name of a resource -> what `--set-resources` or a profile sets. `gpu: 0` takes the GPU away,
            unless the job asks SLURM for one in other words (`gres`, or `slurm_extra` with `--gres`).
        limit: of all jobs together, from `--resources gpu=...`; Snakemake gives no job more.
    """
    words = {name: str(getattr(value, "raw", value)).strip() for name, value in set_resources.items()}
    asked = "0" if str(getattr(limit, "value", limit)) == "0" else words.get("gpu", "1")
    return asked != "0" or "gpu" in words.get("gres", "") or "--gres" in words.get("slurm_extra", "")


_ASKS = re.compile(r"gpu|shard|mps")
"""The generic resources of SLURM that stand for a GPU, or for a part of one."""


def keep_from_core_jobs(resources: MutableMapping[str, Any], takes_gpu: Callable[[Any], bool]) -> None:
    """Have what `--set-resources` or a profile sets for a rule reserve no GPU for jobs that train on cores.

    Args:
        resources: of the rule; what Snakemake was told wins there over the rule's own numbers.
        takes_gpu: whether the job of some wildcards takes a GPU.
    """
    for name, without in (("gpu", 0), ("gres", None), ("gpu_model", None)):
        if name in resources:
            resources[name] = _of_gpu_jobs(resources[name], without, takes_gpu)


def _of_gpu_jobs(resource: Any, without: int | None, takes_gpu: Callable[[Any], bool]) -> Callable[..., Any]:
    def value(wildcards: Any, input: Any, attempt: int, threads: int, rulename: str, async_run: Any) -> Any:
        found = resource.evaluate(
            wildcards, input=input, attempt=attempt, threads=threads, rulename=rulename, async_run=async_run
        ).value
        is_other = resource.name == "gres" and not _ASKS.search(str(found))
        return found if is_other or takes_gpu(wildcards) else without

    return value
