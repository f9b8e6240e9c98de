"""The files of code that a result depends on: the modules that make it, and all that they import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path

import grimp

PACKAGES = ("slotmachines", "slotpipeline")
_READ_AT_RUN_TIME = (".css", ".j2", ".js", ".yaml")


def import_graph() -> grimp.ImportGraph:
    """Which module of the project imports which; imports for type checkers alone are left out.

    It takes 0.2 s. The graph is not kept on disk, as a dry run writes no files.
    """
    return grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)


def modules_of_script(script: Path, graph: grimp.ImportGraph) -> list[str]:
    """The modules of the project that a script imports."""
    imported = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import module` names a module, `from module import function` does not.
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(imported & graph.modules)


def files_behind(modules: Iterable[str], graph: grimp.ImportGraph, source: Path) -> Sequence[str]:
    """The files of these modules and of all modules that they import, with what the pipeline reads while it runs.

    Args:
        source: the folder of the packages.
    """
    found: set[str] = set()
    for module in modules:
        found |= {module, *graph.find_upstream_modules(module)}
    read = [path for path in (source / "slotpipeline").rglob("*") if path.suffix in _READ_AT_RUN_TIME]
    return sorted(str(path) for path in [*(_file(name, source) for name in found), *read])


def _file(module: str, source: Path) -> Path:
    path = source.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
