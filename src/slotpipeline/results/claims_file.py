"""Reading and checking the file of registered claims, and whether it is still the registered one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from slotmachines.errors import UserError, one_line
from slotmachines.methods import METHODS
from slotmachines.networks.names import NETWORKS
from slotpipeline.data.datasets import find
from slotpipeline.plain_yaml import read_yaml
from slotpipeline.results.claims import CLAIMS_YAML, REGISTERED_DIGEST, Claim, Registration, Scope, Statistic
from slotpipeline.runs.checked_fields import from_fields
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import recipe_names


def read_claims(path: Path) -> Registration:
    """Read a file of claims; the configs of the grids that it names lie beside it.

    Raises:
        UserError: the file is missing or damaged, a key is unknown, or a claim does not fit its scopes.
    """
    content = read_yaml(path, "a file of claims")
    try:
        named = {kind: _named(content, kind) for kind in ("scopes", "claims")}
        registration = from_fields(
            Registration, {**content, **named, "changed": digest_of(content) != REGISTERED_DIGEST}
        )
        for scope in registration.scopes:
            _check_scope(scope, path.parent)
        for claim in registration.claims:
            _check_claim(registration, claim)
    except (ValueError, UserError) as error:
        raise UserError(f"{path}: {one_line(error)}") from None
    return registration


def read_registration(project: Path) -> Registration | None:
    """The claims of a project, by its folder; None where it has registered none.

    Raises:
        UserError: as `read_claims`.
    """
    path = project / CLAIMS_YAML
    return read_claims(path) if path.is_file() else None


def _named(content: Any, kind: str) -> list[Any]:
    """The entries of a mapping, each with its key as its name."""
    entries = content.get(kind) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ValueError(f"it has no mapping of {kind}; see {CLAIMS_YAML}")
    return [{"name": name, **entry} for name, entry in entries.items()]


def _check_scope(scope: Scope, configs: Path) -> None:
    where = f"the scope {scope.name}"
    find(scope.dataset)
    if scope.network not in NETWORKS:
        raise ValueError(f"{where}: unknown network {scope.network}; use one of {', '.join(NETWORKS)}")
    if scope.is_frozen and scope.recipe not in recipe_names():
        raise ValueError(f"{where}: unknown recipe {scope.recipe}; use one of {', '.join(recipe_names())}")
    config = configs / f"{scope.grid}.yaml"
    if not config.is_file() or read_config(config)["networks"].get(scope.network) != scope.dataset:
        raise ValueError(f"{where}: {config} has no {scope.network} on {scope.dataset}; name a grid that has it")


def _check_claim(registration: Registration, claim: Claim) -> None:
    where = f"the claim {claim.name}"
    scopes = {scope.name: scope for scope in registration.scopes}
    if unknown := sorted({*claim.scopes, *claim.extension, *claim.seeds} - set(scopes)):
        raise ValueError(f"{where}: there is no scope {unknown[0]}; use one of {', '.join(scopes)}")
    if not any(claim.statistic.startswith(kind) for kind in Statistic):
        raise ValueError(f"{where}: unknown statistic {claim.statistic!r}; begin it with one of {', '.join(Statistic)}")
    for cells in filter(None, (claim.cells, claim.counterpart)):
        methods = [cells.method] if isinstance(cells.method, str) else cells.method
        if wrong := [method for method in methods if method not in METHODS]:
            raise ValueError(f"{where}: unknown method {wrong[0]}; use one of {', '.join(METHODS)}")
        if cells.recipe and cells.recipe not in recipe_names():
            raise ValueError(f"{where}: unknown recipe {cells.recipe}; use one of {', '.join(recipe_names())}")
    if claim.kind is Statistic.NUMBERS:
        return
    if claim.counterpart is None and claim.kind is not Statistic.SLOPE:
        raise ValueError(f"{where}: it compares cells, but says with what; add `less` or `over`")
    for name, bounds in (("supported", claim.supported), ("contradicted", claim.contradicted)):
        if isinstance(bounds, str):
            raise ValueError(f"{where}: {name} must give a bound, not words")
        given = (bounds.lower_bound_above, bounds.lower_bound_at_least, bounds.upper_bound_below)
        if sum(limits is not None for limits in given) != 1:
            raise ValueError(
                f"{where}: {name} must give one bound: lower_bound_above, lower_bound_at_least or upper_bound_below"
            )
        for scope in map(registration.scope, claim.scopes):
            if not {scope.name, scope.dataset} & set(bounds.limits):
                raise ValueError(
                    f"{where}: {name} has no limit for {scope.name}; add one for it or for {scope.dataset}"
                )


def digest_of(content: Any) -> str:
    """Digest of what was registered: the content of a file of claims without later amendments.

    Comments do not count. Two files of one digest have the same claims, statistics, margins, scopes and seeds.
    """
    registered = {key: value for key, value in content.items() if key != "amendments"}
    text = json.dumps(registered, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
