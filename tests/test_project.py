"""What must not stand in any file of the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
# Written in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "host of a package registry": r"pypi\.|pythonhosted\.|anaconda\.(org|com)|npmjs\.|download\.pytorch\.",
    "absolute path of one machine": r"(?<![\w.~}/-])/(work|root|home|Users|opt|tmp)/\w",
    "leftover marker": r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b|^(<{7}|>{7}|={7})( |$)",
}


def tracked_texts() -> dict[str, str]:
    """The text files that git tracks, by name, without the pictures in a page: their letters spell anything."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    files = {name: PROJECT / name for name in names.split("\0") if name}
    content = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
    texts = {name: data.decode() for name, data in content.items() if b"\0" not in data}
    return {name: re.sub(r"base64,[\w+/=]+", "base64,", text) for name, text in texts.items()}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [f"{name}: {match[0]}" for name, text in tracked_texts().items() for match in pattern.finditer(text)]
    assert not found


def test_the_patterns_find_what_they_are_for() -> None:
    examples = {
        "host of a package registry": "https://" + "files.python" + "hosted.org/packages",
        "absolute path of one machine": '"' + "/ho" + 'me/someone/data"',
        "leftover marker": "# TO" + "DO: later",
    }
    assert set(examples) == set(FORBIDDEN)
    for what, example in examples.items():
        assert re.search(FORBIDDEN[what], example, re.MULTILINE)
