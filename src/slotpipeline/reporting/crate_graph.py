"""The graph of a crate's metadata: entities with an @id, which name each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Entity = dict[str, Any]


@dataclass
class Graph:
    """Entities by their @id, in the order in which they came."""

    entities: dict[str, Entity] = field(default_factory=dict)

    def add(self, name: str, kind: str, /, **properties: Any) -> Entity:
        """Put an entity into the graph, once, and return the reference to it; empty properties are left out."""
        if name not in self.entities:
            self.entities[name] = {"@id": name, "@type": kind}
            self.say(name, **properties)
        return {"@id": name}

    def say(self, name: str, /, **properties: Any) -> None:
        """Say more of an entity; a list of one is written as this one, as the specification recommends."""
        said = {key: value for key, value in properties.items() if value not in ("", [], None)}
        self.entities[name] |= {
            key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in said.items()
        }

    def value(self, name: str, value: str) -> Entity:
        """Put a column of runs.csv with one of its values into the graph."""
        key = hashlib.sha256(value.encode()).hexdigest()[:8]
        return self.add(f"#{name}-{key}", "PropertyValue", name=name, propertyID=name, value=value)


def file_id(name: str) -> str:
    """The @id of a file of the crate: a part of an address, in which a space, say, is written otherwise."""
    return quote(name)


def slug(text: str) -> str:
    """A text as the end of an @id."""
    return "-".join("".join(one if one.isascii() and one.isalnum() else " " for one in text.lower()).split())
