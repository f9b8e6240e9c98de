"""A channel of conda packages in a folder, most of them no more than a name and a version."""

from __future__ import annotations

import ensurepip
import hashlib
import json
import sys
import tarfile
import venv
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile


def make_channel(folder: Path, versions: Mapping[str, str]) -> None:
    """Write packages of these names and versions, and of python and pip.

    The package python holds a virtual environment with an eye on the packages of the present one: what the packages
    without content stand for can be imported.
    """
    (folder / "noarch").mkdir(parents=True)
    (folder / "noarch/repodata.json").write_text(json.dumps({"packages": {}, "info": {"subdir": "noarch"}}))
    subdir = folder / "linux-64"
    subdir.mkdir()
    with TemporaryDirectory() as python, TemporaryDirectory() as pip:
        contents = {"python": _python(Path(python)), "pip": _pip(Path(pip))}
        named = {**versions, "python": "{}.{}.{}".format(*sys.version_info), "pip": ensurepip.version()}
        packages = dict(_package(subdir, name, version, contents.get(name)) for name, version in named.items())
    (subdir / "repodata.json").write_text(json.dumps({"packages": packages, "info": {"subdir": "linux-64"}}))


def _site_packages(folder: Path) -> Path:
    return folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def _python(folder: Path) -> Path:
    venv.create(folder, symlinks=True)
    (_site_packages(folder) / "present.pth").write_text(f"{_site_packages(Path(sys.prefix))}\n")
    return folder


def _pip(folder: Path) -> Path:
    (wheel,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(_site_packages(folder))
    return folder


def _package(subdir: Path, name: str, version: str, content: Path | None) -> tuple[str, dict[str, object]]:
    """Write a package; returns its file and its entry in the channel's list."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "subdir": subdir.name}
    found = [] if content is None else sorted(path for path in content.rglob("*") if path.is_file())
    names = [str(path.relative_to(content)) for path in found]
    kinds = ["softlink" if path.is_symlink() else "hardlink" for path in found]
    paths = [{"_path": file, "path_type": kind} for file, kind in zip(names, kinds, strict=True)]
    archive = subdir / f"{name}-{version}-0.tar.bz2"
    with TemporaryDirectory() as temporary, tarfile.open(archive, "w:bz2") as tar:
        info = Path(temporary, "info")
        info.mkdir()
        (info / "index.json").write_text(json.dumps(index))
        (info / "files").write_text("".join(f"{file}\n" for file in names))
        (info / "paths.json").write_text(json.dumps({"paths": paths, "paths_version": 1}))
        tar.add(info, "info")
        for file, path in zip(names, found, strict=True):
            tar.add(path, file)
    data = archive.read_bytes()
    digests = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest()}
    return archive.name, {**index, **digests, "size": len(data)}
