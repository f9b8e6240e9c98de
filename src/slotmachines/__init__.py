"""Slot machines: networks that choose each weight among K fixed random values (Aladago and Torresani, ICML 2021).

Names are looked up on first use, so that planning runs and rebuilding tables and figures
(`slotpipeline`, `slotpipeline.reporting`) does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slotmachines.errors import UserError
    from slotmachines.networks import build_network
    from slotmachines.rivals.apply import altered_share, begin_epoch_, change_penalty, mask_
    from slotmachines.slots.convert import bake_, option_table, selected_options, slotify_
    from slotmachines.slots.released_code import load_released_checkpoint_
    from slotmachines.slots.ticket import load_ticket, save_ticket

_HOMES = {
    "altered_share": "slotmachines.rivals.apply",
    "begin_epoch_": "slotmachines.rivals.apply",
    "change_penalty": "slotmachines.rivals.apply",
    "UserError": "slotmachines.errors",
    "bake_": "slotmachines.slots.convert",
    "build_network": "slotmachines.networks",
    "load_released_checkpoint_": "slotmachines.slots.released_code",
    "load_ticket": "slotmachines.slots.ticket",
    "mask_": "slotmachines.rivals.apply",
    "option_table": "slotmachines.slots.convert",
    "save_ticket": "slotmachines.slots.ticket",
    "selected_options": "slotmachines.slots.convert",
    "slotify_": "slotmachines.slots.convert",
}

__all__ = [
    "altered_share",
    "begin_epoch_",
    "change_penalty",
    "UserError",
    "bake_",
    "build_network",
    "load_released_checkpoint_",
    "load_ticket",
    "mask_",
    "option_table",
    "save_ticket",
    "selected_options",
    "slotify_",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
