"""What people and scripts rely on at the command line: examples, suggestions, JSON, exit codes, completion, colour."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from slotpipeline import cli
from synthetic import REFERENCE, make_config, write_grid

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs/commands.md").read_text(encoding="utf-8")
COMMAND = [sys.executable, "-m", "slotmachines"]
PEOPLES = {verb.__name__.replace("_", "-"): verb for verb in cli.TRAINING}
CODES = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*?) \|$", PAGE, re.MULTILINE)}


def call(*words: str | Path) -> tuple[int, str, str]:
    answer = CliRunner().invoke(cli.app, list(map(str, words)))
    return answer.exit_code, answer.stdout, answer.stderr or str(answer.exception)


@pytest.mark.parametrize("name", PEOPLES)
def test_each_verb_has_an_example_that_it_understands(name: str) -> None:
    example = re.findall(r"^ *Examples?: slotmachines ([^;\n]*)", PEOPLES[name].__doc__ or "", re.MULTILINE)[0]
    verb, *words = shlex.split(example)
    assert verb == name
    command = typer.main.get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
    command.make_context(verb, words)  # refuses an unknown option and a missing argument
    status, out, _ = call(name, "--help")
    assert status == 0 and "slotmachines" in out.partition("Example")[2]


def test_each_verb_of_the_page_exists() -> None:
    named = set(re.findall(r"`slotmachines ([a-z][a-z-]*)", PAGE)) | set(re.findall(r"`(to-[a-z]+)`", PAGE))
    assert len(named) > 12 and named <= set(PEOPLES) | {"dictionary"}


MISSPELT = {
    ("trian",): "train",
    ("train", "--options", "2", "--network", "lennet"): "lenet",
    ("train", "--options", "2", "--network", "conv3"): "conv2 or conv4 or conv6 or conv8",
    ("train", "--dataset", "cifar-10"): "cifar10",
    ("train", "--method", "edge-popup"): "edge_popup",
    ("train", "--options", "2", "--recipe", "paper_glorot"): "paper-glorot",
    ("train", "--options", "2", "--set", "learning_rat=1"): "learning_rate",
    ("train", "--optoins", "2"): "--options",
    ("fetch", "minst"): "mnist",
    ("export", "none", "a.csv", "--table", "curve"): "curves",
}


@pytest.mark.parametrize("words", MISSPELT)
def test_what_was_probably_meant_is_said(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["slotmachines", *words])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert re.search(rf"(did you mean|possible options?:?).*{re.escape(MISSPELT[words])}", said, re.IGNORECASE)


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    """The folder of all results, with a made-up grid in it."""
    folder = tmp_path_factory.mktemp("results")
    write_grid(folder / "made-up", make_config({"lenet": "mnist"}, experiments=["k-sweep"]) | {"grid": "made-up"})
    return folder


def test_json_of_a_grid(grid: Path, tmp_path: Path) -> None:
    words = (grid / "made-up/config.yaml", "--results", grid, "--seconds", REFERENCE.parent / "seconds_per_epoch.csv")
    status, out, error = call("status", *words, "--reference", REFERENCE, "--figures", tmp_path, "--json")
    assert status == 0, error
    found = json.loads(out)
    assert found["grid"] == "made-up"
    assert found["runs"] == found["finished"] + found["to_do"] > 0
    (experiment,) = found["experiments"]
    assert experiment["experiment"] == "k-sweep" and experiment["figure"] == "missing"
    status, out, _ = call("watch", *words, "--logs", tmp_path, "--json")
    watched = json.loads(out)
    assert status == 0 and watched["planned"] == found["runs"] and watched["running"] == []


def test_json_of_claims_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    status, out, _ = call("claims", "--json")
    found = json.loads(out)
    assert status == 0
    assert sum(found["counts"].values()) == len({(row["claim"], row["network"]) for row in found["claims"]})


def test_exit_codes_that_are_documented() -> None:
    assert set(CODES) == {0, 1, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM}
    assert call("--help")[0] == 0
    assert call("train", "--no-such-option")[0] == call("no-such-verb")[0] == 2


def test_a_fault_of_the_program_ends_with_1(tmp_path: Path) -> None:
    code = "import slotpipeline.data.fetching as f; f.find = None; from slotpipeline import cli; cli.main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, "fetch", "digits"], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.returncode == 1 and "Traceback" in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_its_code(number: int, tmp_path: Path, digits_folder: Path) -> None:
    words = ["train", "--dataset", "digits", "--options", "2", "--data", digits_folder, "--folder", "run"]
    with subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "epoch" not in process.stderr.readline(20):
            time.sleep(0.05)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == 128 + number
    assert said.splitlines()[-1].startswith(f"slotmachines: stopped by {signal.Signals(number).name}")


def completed(typed: str) -> list[str]:
    words = typed.split(" ")
    environment = {
        **os.environ, "_SLOTMACHINES_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    code = "from slotpipeline import cli; cli.app(prog_name='slotmachines')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    return answer.stdout.split()


@pytest.mark.slow
def test_the_shell_completes_verbs_options_and_names() -> None:
    assert completed("slotmachines tr") == ["train", "train-all"]
    assert "--network" in completed("slotmachines train --net")
    assert completed("slotmachines train --network conv") == ["conv2", "conv4", "conv6", "conv8"]
    assert completed("slotmachines train --method edge") == ["edge_popup"]
    assert completed("slotmachines train --recipe paper") == ["paper", "paper-glorot"]
    assert completed("slotmachines fetch c") == ["cifar10"]


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def on_a_terminal(*words: str, **environment: str) -> str:
    """What a command prints on a terminal."""
    parent, child = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen([*COMMAND, *words], stdout=child, stderr=child, env=variables)
    os.close(child)
    said = b""
    try:
        while part := os.read(parent, 4096):
            said += part
    except OSError:  # Linux reports the end as an error
        pass
    process.wait()
    os.close(parent)
    return said.decode()


@pytest.mark.slow
def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    piped = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "\x1b" not in piped.stdout
    assert COLOUR.search(on_a_terminal("--help"))
    assert not COLOUR.search(on_a_terminal("--help", NO_COLOR="1"))
