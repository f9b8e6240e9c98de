"""The files of code that a result depends on: the modules that make it, and all that they import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path

import grimp

PACKAGES = ("slotmachines", "slotpipeline")
SOURCE = Path("src")
"""The folder of the packages, relative to the project."""
_READ_AT_RUN_TIME = (".css", ".j2", ".js", ".yaml")


class ImportedCode:
    """Which module of the project imports which; imports for type checkers alone are left out.

    Reading it takes 0.2 s. It is not kept on disk, as a dry run writes no files.
    """

    def __init__(self) -> None:
        self._graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)

    def files_behind(self, *modules: str) -> Sequence[str]:
        """The files of modules, of all modules that they import, and what the pipeline reads while it runs.

        Paths are relative to the project, the current folder.
        """
        found: set[str] = set()
        for module in modules:
            found |= {module, *self._graph.find_upstream_modules(module)}
        read = [path for path in (SOURCE / "slotpipeline").rglob("*") if path.suffix in _READ_AT_RUN_TIME]
        return sorted(str(path) for path in [*map(_file, found), *read])

    def files_behind_script(self, script: str) -> Sequence[str]:
        """A script, and the files behind the modules of the project that it imports."""
        return [script, *self.files_behind(*self._imported_by(Path(script)))]

    def _imported_by(self, script: Path) -> Iterable[str]:
        imported = set()
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                # `from package import module` names a module, `from module import function` does not.
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return imported & self._graph.modules


def _file(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
