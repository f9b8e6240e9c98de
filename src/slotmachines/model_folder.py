"""A trained network as a folder in the layout of Hugging Face's model pages: weights, config.json, a model card.

The folder holds `model.safetensors`, the weights of the ordinary network, which any program reads; where there is one,
`ticket.safetensors`, the same network as a seed and ceil(log2 K) bits per connection; `config.json`, which says how to
build the network and what the files are; and `README.md`, the model card.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

import slotmachines
from slotmachines.errors import UserError, one_line
from slotmachines.files import replacing
from slotmachines.model_card import Score, model_card
from slotmachines.networks import build_network
from slotmachines.selectable import require_module
from slotmachines.slots.convert import baked_state, is_slot_machine
from slotmachines.slots.ticket import load_ticket, put_, ticket_bytes
from slotmachines.slots.ticket_contents import inspect_ticket

FORMAT = 1
MODEL, TICKET, CONFIG, CARD = "model.safetensors", "ticket.safetensors", "config.json", "README.md"


@dataclass(frozen=True)
class ModelConfig:
    """What config.json says.

    Attributes:
        network: the name of a network of `list_networks`; None of a network of the user's own.
        settings: of `build_network`.
        files: name -> SHA-256 of its content, in hexadecimal.
        scores: what was measured.
        version: of the library that wrote the folder.
    """

    network: str | None
    settings: Mapping[str, Any]
    files: Mapping[str, str]
    scores: tuple[Score, ...]
    version: str

    def text(self) -> str:
        """The file."""
        record = {"format": FORMAT, "library_name": "slotmachines", **asdict(self)}
        return json.dumps(record, indent=2, sort_keys=True) + "\n"


def save_model_folder(
    module: nn.Module,
    folder: str | Path,
    *,
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    scores: Iterable[Score] = (),
    ticket: str | Path | None = None,
    license: str | None = None,
    description: str = "",
) -> None:
    """Write a trained network into a folder that can be sent to Hugging Face as it is, and read by any program.

    Of a slot machine, the network that `bake_` would make and its ticket are written; of masks, the network that
    `bake_` would make. `module` stays as it is. If anything is refused, so does the folder; other files in it always
    do.

    Args:
        module: any network.
        folder: made if it is missing. A model card in it that was changed by hand is not replaced, but refused.
        network: its name, if it is one of `list_networks`: `load_model_folder` then needs no module.
        settings: what `build_network` was given beside the name.
        scores: what was measured, for the model card and config.json.
        ticket: the ticket that `module` was loaded from, to be kept too; a slot machine has one without this.
        license: of the weights, such as "mit"; without it the card says nothing of a license.
        description: a sentence or more for the model card.

    Raises:
        UserError: the module is not that network, holds state that is no tensor, does not hold the weights of the
            ticket, has masks on top of a slot machine, or the folder cannot be written.

    Example:
        >>> save_model_folder(network, "lenet-8", network="lenet", scores=[Score("mnist", "MNIST", 98.2, 10_000)])
    """
    require_module(module)
    folder, found = Path(folder), tuple(scores)
    contents = {MODEL: _weights_file(module)}
    if is_slot_machine(module):
        contents[TICKET] = ticket_bytes(module)
    elif ticket is not None:
        contents[TICKET] = _ticket_of(module, Path(ticket), contents[MODEL])
    if network is not None:
        _require_network(network, settings or {}, _shapes(load(contents[MODEL])))
    elif settings:
        raise UserError(f"settings {', '.join(settings)} belong to a network of build_network; give its name too")
    _require_own_card(folder)
    with ExitStack() as stack:
        # Renamed in the opposite order when the stack ends: config.json, by which files are verified, is the last.
        places = {name: stack.enter_context(replacing(folder / name)) for name in (CONFIG, CARD, *contents)}
        for name, content in contents.items():
            places[name].write_bytes(content)
        facts = inspect_ticket(places[TICKET]) if TICKET in contents else None
        card = model_card(network, load(contents[MODEL]), facts, found, license=license, description=description)
        places[CARD].write_bytes(card.encode())
        files = {name: _digest(place.read_bytes()) for name, place in places.items() if name != CONFIG}
        config = ModelConfig(network, dict(settings or {}), files, found, slotmachines.__version__)
        places[CONFIG].write_text(config.text(), encoding="utf-8")
    if TICKET not in contents:
        (folder / TICKET).unlink(missing_ok=True)


def load_model_folder(folder: str | Path, module: nn.Module | None = None) -> nn.Module:
    """The network of a folder that `save_model_folder` wrote, bit for bit.

    It is read from the ticket where `model.safetensors` is missing, as in a folder that was sent without it.

    Args:
        folder: with config.json and one of the two files of weights. No code in it is run.
        module: takes the weights, in place, as by `load_ticket`; needed where the folder does not name a network that
            `build_network` knows.

    Returns:
        `module`, or the network that was built.

    Raises:
        UserError: a file is missing, damaged or of another kind, or of another network than `module`, which is then
            as it was; or there is no `module` and the folder names no network.
    """
    folder = Path(folder)
    config = read_model_config(folder)
    name = MODEL if (folder / MODEL).exists() else TICKET
    path, content = folder / name, _read(folder / name)
    if config.files.get(name) != _digest(content):
        raise UserError(f"{path} is not the file that {CONFIG} describes; copy the folder again, or save it again")
    try:
        tensors = load(content) if name == MODEL else {}
    except SafetensorError as error:
        raise UserError(f"{path} is no safetensors file: {one_line(error)}; save the folder again") from None
    target: Any = _built(folder, config, path) if module is None else module
    loaded: nn.Module = load_ticket(target, path) if name == TICKET else put_(target, path, {}, tensors)
    return loaded


def read_model_config(folder: str | Path) -> ModelConfig:
    """What config.json of a folder says.

    Raises:
        UserError: it is missing, or was not written by `save_model_folder`.
    """
    path = Path(folder) / CONFIG
    try:
        record = json.loads(_read(path))
        if record.get("library_name") != "slotmachines":
            raise ValueError
        if record["format"] != FORMAT:
            raise UserError(
                f"{path} has format {record['format']}, this version reads {FORMAT}; install a newer version"
            )
        network, settings, files = record["network"], record["settings"], record["files"]
        is_right = (network is None or type(network) is str) and type(settings) is type(files) is dict
        if not is_right or not all(type(digest) is str for digest in files.values()):
            raise ValueError
        return ModelConfig(
            network, settings, files, tuple(Score(**score) for score in record["scores"]), str(record["version"])
        )
    except UserError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} was not written by save_model_folder; give a folder that was") from None


def _weights_file(module: nn.Module) -> bytes:
    """The state dict of the ordinary network as a safetensors file, of the format that other libraries expect."""
    for name, value in module.state_dict(keep_vars=True).items():
        if isinstance(value, Tensor) and (is_lazy(value) or value.is_meta):
            raise UserError(f"{name} has no numbers; run the network once if it is lazy, take it off the meta device")
    try:
        state = baked_state(module)
    except AttributeError:
        raise UserError("this network keeps state that is no tensor; leave out the module that does") from None
    return save({name: value.cpu().contiguous() for name, value in state.items()}, metadata={"format": "pt"})


def _ticket_of(module: nn.Module, ticket: Path, weights: bytes) -> bytes:
    """The content of a ticket, once it is known to be that of a network."""
    content = _read(ticket)
    loaded = _weights_file(load_ticket(copy.deepcopy(module), ticket))
    if loaded != weights:
        raise UserError(
            f"this network does not hold the weights of {ticket}; load the ticket before saving, or omit it"
        )
    return content


def _require_network(name: str, settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """A network of the registry has tensors of these names and shapes."""
    try:
        with torch.device("meta"):  # no memory, whatever the settings say
            expected = {key: tuple(value.shape) for key, value in build_network(name, **settings).state_dict().items()}
    except (OverflowError, RuntimeError, TypeError) as error:
        raise UserError(f"{name} cannot have the settings {dict(settings)}: {one_line(error)}") from None
    if expected != shapes:
        raise UserError(
            f"these are not the weights of {name} with settings {dict(settings)}; give the network's own name"
        )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _built(folder: Path, config: ModelConfig, path: Path) -> nn.Module:
    """The network that config.json names, of the shapes and precision of the file of weights at `path`."""
    if config.network is None:
        raise UserError(f"{folder} names no network that this library builds; give load_model_folder a module of yours")
    if path.name == TICKET:
        rows = inspect_ticket(path).rows
        shapes, precisions = {row.name: row.shape for row in rows}, [row.dtype for row in rows]
    else:
        tensors = load(path.read_bytes())
        shapes, precisions = _shapes(tensors), [str(tensor.dtype)[6:] for tensor in tensors.values()]
    _require_network(config.network, config.settings, shapes)
    network = build_network(config.network, **config.settings)
    used = [getattr(torch, name) for name in precisions]
    return network.to(next((dtype for dtype in used if dtype.is_floating_point), torch.float32))


def _require_own_card(folder: Path) -> None:
    """There is no model card yet, or it is as it was written."""
    card = folder / CARD
    if card.exists():
        known = read_model_config(folder).files.get(CARD) if (folder / CONFIG).exists() else None
        if known != _digest(_read(card)):
            raise UserError(f"{card} is not as it was generated; move it away, or save into another folder")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a folder that save_model_folder wrote") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
