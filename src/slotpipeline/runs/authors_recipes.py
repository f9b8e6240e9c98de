"""The recipe with which each rival is trained: its authors' settings. A new rival adds a line (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping

AUTHORS_RECIPES: Mapping[str, str] = {
    "free_pruning": "ivan-florian",
    "min_pruning": "ivan-florian",
    "free_flipping": "ivan-florian",
    "min_flipping": "ivan-florian",
    "supermask": "zhou",
    "edge_popup": "ramanujan",
    "lottery_ticket": "frankle-carbin",
}

RIVAL_RECIPES = tuple(dict.fromkeys(AUTHORS_RECIPES.values()))
"""The recipes of rivals' authors."""
