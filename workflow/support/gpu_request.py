"""Which training jobs get a GPU, by what the command line and the profile say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
