"""`slotmachines demo`: three networks, plain words, a picture; again in no time; and what it needs is said."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from slotmachines.errors import UserError
from slotpipeline import cli


@pytest.mark.slow
def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli.app, ["demo", "--epochs", "6"])
    assert answer.exit_code == 0, answer.output
    found = {name: float(value) for name, value in re.findall(r"^  (\w+ \w+) +([\d.]+)%", answer.stdout, re.MULTILINE)}
    assert set(found) == {"slot machine", "learned weights", "random weights"}
    assert found["slot machine"] > 85 and found["learned weights"] > 85 and found["random weights"] < 40
    picture = tmp_path / "demo/demo.png"
    assert str(picture) in answer.stdout
    with Image.open(picture) as image:
        assert image.width > 1000 and len(image.convert("RGB").getcolors(1 << 24)) > 50
    metrics = sorted((tmp_path / "demo/runs").rglob("metrics.json"))
    before = [path.stat().st_mtime_ns for path in metrics]
    again = CliRunner().invoke(cli.app, ["demo", "--epochs", "6"])
    assert again.exit_code == 0 and len(before) == 3
    assert [path.stat().st_mtime_ns for path in metrics] == before


def test_what_is_missing_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = importlib.util.find_spec
    monkeypatch.setattr("slotpipeline.demo_verb.find_spec", lambda name: None if name == "matplotlib" else found(name))
    answer = CliRunner().invoke(cli.app, ["demo"])
    assert isinstance(answer.exception, UserError) and '".[pipeline,demo]"' in str(answer.exception)
    assert list(tmp_path.iterdir()) == []
