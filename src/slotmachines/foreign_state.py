"""Refuse the state of another slot machine or mask before any of it is loaded."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from slotmachines.errors import one_line
from slotmachines.selectable import weight_selectors

_CHANGED = (
    "the settings in this state, _extra_state, are not whole numbers: average or convert floating-point tensors only, "
    "and keep _extra_state as it was saved"
)
_OTHER_VERSION = (
    "this state was written by another version of slotmachines: load it with that version and call bake_ there, "
    "or train again"
)


def refuse_foreign_state_(module: nn.Module) -> None:
    """Let `module.load_state_dict` compare the settings of its selectors first, as it loads one layer after the other.

    A selector refuses the state of another one itself (`set_extra_state`), but when layers before it are loaded. Each
    layer compares them too, because a state may be loaded into a part of `module`, such as a pretrained backbone.
    """
    for part in (module, *(layer for one in weight_selectors(module) for layer, _ in one.sites)):
        if not _hooks(part):
            part.register_load_state_dict_pre_hook(_require_own_state)


def accept_any_state_(module: nn.Module) -> None:
    """Undo `refuse_foreign_state_` in `module` and its parts."""
    for part in module.modules():
        for key in _hooks(part):
            del part._load_state_dict_pre_hooks[key]


def _hooks(module: nn.Module) -> list[int]:
    hooks: dict[int, Any] = module._load_state_dict_pre_hooks
    return [key for key, hook in hooks.items() if getattr(hook, "hook", hook) is _require_own_state]


def _require_own_state(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Raises the RuntimeError of a selector to which the state does not belong, whether loading is strict or not."""
    for one in weight_selectors(module, every_name=True):
        settings = state.get(f"{prefix}{one.state_prefix}0._extra_state")
        if settings is not None and isinstance(one.selector, nn.Module):
            one.selector.set_extra_state(settings)
        elif prefix + one.name in state and f"{prefix}{one.state_prefix}original" not in state:
            raise RuntimeError(
                f"this state holds {prefix}{one.name} as an ordinary weight, which is selected here: "
                "load it before slotify_ or mask_, or call bake_ first"
            )


def other_settings(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """Both values of each setting in which a state differs; blank if there is none."""
    wrong = [name for name in ours if name in theirs and theirs[name] != ours[name]]
    return one_line(", ".join(f"{name}={theirs[name]} (here {ours[name]})" for name in wrong)) if wrong else ""


def not_of_a_slot_machine(settings: Any) -> RuntimeError:
    """The error of settings in a state that are not those of a slot machine of this version."""
    if _is_changed(settings):
        return RuntimeError(_CHANGED)
    mask = mask_settings(settings)
    if mask is None:
        return RuntimeError(_OTHER_VERSION)
    return RuntimeError(
        f"this state belongs to a mask, {one_line(mask.get('rule', 'of an unknown rule'))}: call mask_ instead of "
        "slotify_, with the rule and settings that it was trained with, then load it"
    )


def not_of_a_mask(settings: Any) -> RuntimeError:
    """The error of settings in a state that are not those of a mask of this version."""
    if isinstance(settings, Tensor) and settings.dtype == torch.int64:
        return RuntimeError(
            "this state belongs to a slot machine: call slotify_ instead of mask_, with the settings that it was "
            "trained with, then load it"
        )
    return RuntimeError(_CHANGED if _is_changed(settings) else _OTHER_VERSION)


def _is_changed(settings: Any) -> bool:
    """Whether arithmetic on a whole state, such as an average, made its whole numbers floating-point ones."""
    return isinstance(settings, Tensor) and settings.is_floating_point()


def mask_settings(settings: Any) -> dict[str, Any] | None:
    """The settings of a rule, as the state of a mask has them: bytes of JSON; None of what is none."""
    if not isinstance(settings, Tensor) or settings.dtype != torch.uint8 or settings.ndim != 1:
        return None
    try:
        found = json.loads(bytes(settings.tolist()))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
