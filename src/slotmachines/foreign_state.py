"""Refuse the state of another slot machine or mask before any of it is loaded."""

from __future__ import annotations

from typing import Any

from torch import nn

from slotmachines.selectable import weight_selectors


def refuse_foreign_state_(module: nn.Module) -> None:
    """Let `module.load_state_dict` compare the settings of its selectors first, as it loads one layer after the other.

    A selector refuses the state of another one itself (`set_extra_state`), but when layers before it are loaded.
    """
    if not _hooks(module):
        module.register_load_state_dict_pre_hook(_require_own_state)


def accept_any_state_(module: nn.Module) -> None:
    """Undo `refuse_foreign_state_` in `module` and its parts."""
    for part in module.modules():
        for key in _hooks(part):
            del part._load_state_dict_pre_hooks[key]


def _hooks(module: nn.Module) -> list[int]:
    hooks: dict[int, Any] = module._load_state_dict_pre_hooks
    return [key for key, hook in hooks.items() if getattr(hook, "hook", hook) is _require_own_state]


def _require_own_state(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Raises the RuntimeError of a selector to which the state does not belong."""
    for one in weight_selectors(module, every_name=True):
        settings = state.get(f"{prefix}{one.state_prefix}0._extra_state")
        if settings is not None and isinstance(one.selector, nn.Module):
            one.selector.set_extra_state(settings)
