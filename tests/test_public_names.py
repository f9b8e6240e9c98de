"""What `import slotmachines` offers, and what it needs."""

import inspect
import pydoc
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

import pytest
from torch import nn

import slotmachines
from slotmachines import __main__ as command
from slotmachines import build_network, slotify_

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_name_is_found_listed_and_documented():
    assert sorted(slotmachines.__all__) == sorted(slotmachines._HOMES)
    assert set(slotmachines.__all__) | {"__version__"} <= set(dir(slotmachines))
    assert not {"Any", "TYPE_CHECKING", "import_module"} & set(dir(slotmachines))
    for name in slotmachines.__all__:
        # A module of that name would take the place of the name as soon as it is imported.
        assert f"slotmachines.{name}" != slotmachines._HOMES[name]
        assert inspect.getdoc(getattr(slotmachines, name)), name
    with pytest.raises(AttributeError, match="no attribute 'slotify'"):
        slotmachines.slotify  # noqa: B018
    for name in ("SlotMachine", "Rule", "EdgePopup", "is_slot_machine", "list_networks", "register_layer", "summary"):
        assert name in slotmachines.__all__


def test_help_shows_the_functions_and_the_version():
    page = pydoc.plain(pydoc.render_doc(slotmachines))
    assert "slotify_(" in page and "class SlotMachine" in page and slotmachines.__version__ in page


def test_the_networks_are_listed_by_the_names_that_build_them():
    assert "lenet" in slotmachines.list_networks()
    assert isinstance(build_network(slotmachines.list_networks()[0]), nn.Module)


@pytest.mark.parametrize("name", ["slotify_", "mask_", "bake_", "load_ticket", "load_released_checkpoint_"])
def test_functions_return_the_users_own_type(name):
    function = getattr(slotmachines, name)
    namespace = {**vars(import_module(function.__module__))}
    hints = get_type_hints(function, namespace)
    assert isinstance(hints["return"], TypeVar) and hints["return"] is hints["module"]
    assert (PROJECT / "src/slotmachines/py.typed").exists()


def types_within(hint: Any) -> list[type]:
    """The classes that an annotation is made of."""
    parts = hint if isinstance(hint, list) else get_args(hint)
    return [kind for part in parts for kind in types_within(part)] + ([hint] if inspect.isclass(hint) else [])


def annotated(name: str) -> list[Any]:
    """A public function, or a public class with its public methods and properties: what has annotations."""
    found = getattr(slotmachines, name)
    if inspect.isfunction(found):
        return [found]
    members = [member for key, member in vars(found).items() if not key.startswith("_")]
    plain = [getattr(member, "fget", None) or getattr(member, "__func__", member) for member in members]
    return [found, *filter(inspect.isfunction, plain)]


@pytest.mark.parametrize("name", slotmachines.__all__)
def test_what_public_names_take_and_return_has_a_public_name(name):
    late = {"nn": nn, "Module": nn.Module, "ClassVar": ClassVar}  # names that are imported for annotations only
    for one in annotated(name):
        hints = get_type_hints(one, {**late, **vars(import_module(one.__module__))})
        for kind in types_within(list(hints.values())):
            if kind.__module__.partition(".")[0] == "slotmachines":
                assert kind is getattr(slotmachines, kind.__name__, None), (one.__qualname__, kind)


def test_the_text_of_a_slot_machine_shows_its_settings():
    text = repr(slotify_(nn.Linear(3, 3), options=8, value_bound=0.25, score_range=2.0, sharing="layer"))
    for part in ("options=8", "value_bound=0.25", "score_range=2", "sharing='layer'", "selection='greedy'"):
        assert part in text


# Packaging


def test_the_package_requires_little_and_holds_what_it_should():
    project = PYPROJECT["project"]
    assert [requirement.split(">")[0] for requirement in project["dependencies"]] == ["numpy", "safetensors", "torch"]
    assert [requirement.split(">")[0] for requirement in project["optional-dependencies"]["fast"]] == ["numba"]
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "src/slotmachines",
        "src/slotpipeline",
    ]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "src/slotmachines/__init__.py"
    assert "version" in project["dynamic"] and project["scripts"] == {"slotmachines": "slotmachines.__main__:main"}


SCRIPT = """
import sys, warnings

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(name)

BLOCKED = {"pandas", "typer", "numba", "yaml", "tqdm", "filelock", "slotpipeline"}
sys.meta_path.insert(0, Blocked())
import slotmachines
assert "torch" not in sys.modules
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    return None if name.partition(".")[0] in BLOCKED else found(name, package)
importlib.util.find_spec = find_spec
from torch import nn
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    for seed in (0, 1):
        layer = slotmachines.slotify_(nn.Linear(3, 3), options=2, seed=seed)
    slotmachines.slotify_(nn.Linear(3, 3), options=2, compiled=False)
layer(layer.weight).sum().backward()
slotmachines.mask_(nn.Linear(3, 3), "edge_popup")
for warning in caught:
    print(warning.message)
"""


def test_the_library_works_without_the_packages_of_the_pipeline_and_says_once_where_numba_would_help():
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    (line,) = answer.stdout.splitlines()
    assert "numba is not installed" in line and 'pip install ".[fast]"' in line


def test_the_command_without_the_pipeline_says_in_one_line_how_to_get_it(monkeypatch, capsys):
    lacking = {"typer", "pandas"}
    monkeypatch.setattr(command, "find_spec", lambda name: None if name in lacking else find_spec(name))
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pandas, typer is missing" in line and 'pip install ".[pipeline]"' in line


def test_the_command_looks_for_all_that_the_extra_of_the_pipeline_brings():
    brought = {name.split(">")[0] for name in PYPROJECT["project"]["optional-dependencies"]["pipeline"]}
    assert {{"yaml": "pyyaml"}.get(name, name) for name in command._NEEDED} == brought - {"numba"}


def test_each_line_about_installing_names_extras_and_works_in_a_clone():
    """The project is not published, so `pip install "slotmachines[fast]"` finds nothing, or a stranger's package."""
    extras, found = set(PYPROJECT["project"]["optional-dependencies"]), []
    for file in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("src/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"slotmachines\[\w", text), file
        found += re.findall(r"pip install \"\.\[([\w,]+)\]\"", text) + re.findall(r"how_to_install\('([\w,]+)'\)", text)
    assert len(found) > 8 and set(",".join(found).split(",")) <= extras
