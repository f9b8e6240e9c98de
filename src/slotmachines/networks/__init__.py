"""The networks as ordinary modules without biases; `names.py` lists them."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from slotmachines.errors import UserError
from slotmachines.networks.names import NETWORKS, find_network

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "build_network", "list_networks"]


def list_networks() -> tuple[str, ...]:
    """The names that `build_network` takes."""
    return tuple(NETWORKS)


def build_network(name: str, **settings: Any) -> nn.Module:
    """A network of the registry with PyTorch's usual initial weights.

    Args:
        name: such as "lenet"; see `list_networks`.
        settings: `classes` (10); for the conv nets also `padding` ("same", or "code" for the padding of the
            authors' released code) and `dropout` (0.5, before the first and the second dense layer); for resnet20
            also `shortcut` ("projection", or "zero-padding").

    Raises:
        UserError: the network or a setting is unknown, or a setting has a value that makes no sense.
    """
    build = resolve_name(find_network(name).builder)
    try:
        if settings.get("classes", 1) < 1:
            raise ValueError(f"classes must be at least 1, not {settings['classes']}")
        network: nn.Module = build(**settings)
        return network
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {error}; see build_network for its settings") from None
