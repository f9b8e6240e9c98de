"""Slot machines: networks that choose each weight among K fixed random values (Aladago and Torresani, ICML 2021).

`slotify_` turns a network into a slot machine, `bake_` into an ordinary one again, and `mask_` into one of its rivals.
`summary` shows what is selected and what is trained. README.md and docs/tutorial.md show them at work.

Names are looked up on first use, so that planning runs and rebuilding tables and figures
(`slotpipeline`, `slotpipeline.reporting`) does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slotmachines.errors import UserError
    from slotmachines.layer_kinds import register_layer
    from slotmachines.model_card import Score
    from slotmachines.model_folder import load_model_folder, save_model_folder
    from slotmachines.network_summary import Summary, SummaryRow, summary
    from slotmachines.networks import build_network, list_networks
    from slotmachines.onnx_file import OnnxCheck, export_onnx
    from slotmachines.optimiser_groups import parameter_groups
    from slotmachines.rivals.apply import altered_share, begin_epoch_, change_penalty, mask_
    from slotmachines.rivals.edge_popup import EdgePopup
    from slotmachines.rivals.flipping import Flipping
    from slotmachines.rivals.lottery_ticket import LotteryTicket
    from slotmachines.rivals.mask import Mask, Rule, ScoreRule
    from slotmachines.rivals.pruning import Pruning
    from slotmachines.rivals.supermask import Supermask
    from slotmachines.slots.convert import bake_, is_slot_machine, option_table, selected_options, slotify_
    from slotmachines.slots.machine import SlotMachine
    from slotmachines.slots.released_code import load_released_checkpoint_
    from slotmachines.slots.ticket import load_ticket, save_ticket
    from slotmachines.slots.ticket_contents import TicketContents, TicketRow, inspect_ticket

__version__ = "0.1.0"

_HOMES = {
    "EdgePopup": "slotmachines.rivals.edge_popup",
    "Flipping": "slotmachines.rivals.flipping",
    "LotteryTicket": "slotmachines.rivals.lottery_ticket",
    "Mask": "slotmachines.rivals.mask",
    "OnnxCheck": "slotmachines.onnx_file",
    "Pruning": "slotmachines.rivals.pruning",
    "Rule": "slotmachines.rivals.mask",
    "Score": "slotmachines.model_card",
    "ScoreRule": "slotmachines.rivals.mask",
    "SlotMachine": "slotmachines.slots.machine",
    "Summary": "slotmachines.network_summary",
    "SummaryRow": "slotmachines.network_summary",
    "Supermask": "slotmachines.rivals.supermask",
    "TicketContents": "slotmachines.slots.ticket_contents",
    "TicketRow": "slotmachines.slots.ticket_contents",
    "UserError": "slotmachines.errors",
    "altered_share": "slotmachines.rivals.apply",
    "bake_": "slotmachines.slots.convert",
    "begin_epoch_": "slotmachines.rivals.apply",
    "build_network": "slotmachines.networks",
    "change_penalty": "slotmachines.rivals.apply",
    "export_onnx": "slotmachines.onnx_file",
    "inspect_ticket": "slotmachines.slots.ticket_contents",
    "is_slot_machine": "slotmachines.slots.convert",
    "list_networks": "slotmachines.networks",
    "load_model_folder": "slotmachines.model_folder",
    "load_released_checkpoint_": "slotmachines.slots.released_code",
    "load_ticket": "slotmachines.slots.ticket",
    "mask_": "slotmachines.rivals.apply",
    "option_table": "slotmachines.slots.convert",
    "parameter_groups": "slotmachines.optimiser_groups",
    "register_layer": "slotmachines.layer_kinds",
    "save_model_folder": "slotmachines.model_folder",
    "save_ticket": "slotmachines.slots.ticket",
    "selected_options": "slotmachines.slots.convert",
    "slotify_": "slotmachines.slots.convert",
    "summary": "slotmachines.network_summary",
}

__all__ = [
    "EdgePopup",
    "Flipping",
    "LotteryTicket",
    "Mask",
    "OnnxCheck",
    "Pruning",
    "Rule",
    "Score",
    "ScoreRule",
    "SlotMachine",
    "Summary",
    "SummaryRow",
    "Supermask",
    "TicketContents",
    "TicketRow",
    "UserError",
    "altered_share",
    "bake_",
    "begin_epoch_",
    "build_network",
    "change_penalty",
    "export_onnx",
    "inspect_ticket",
    "is_slot_machine",
    "list_networks",
    "load_model_folder",
    "load_released_checkpoint_",
    "load_ticket",
    "mask_",
    "option_table",
    "parameter_groups",
    "register_layer",
    "save_model_folder",
    "save_ticket",
    "selected_options",
    "slotify_",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES} - {"Any", "TYPE_CHECKING", "import_module"})
