"""A channel of conda packages in a folder, made of the packages that are installed beside this Python."""

from __future__ import annotations

import ensurepip
import hashlib
import json
import sys
import tarfile
import venv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def make_channel(folder: Path, versions: Mapping[str, str], conda_names: Mapping[str, str]) -> None:
    """Write packages of these names and versions, of what they need, and of python and pip.

    A package holds links to the installed one, and asks for the packages that the installed one asks for. So what is
    not in an environment cannot be imported in it.

    Args:
        folder: of the channel.
        versions: name -> version, by pip's names.
        conda_names: pip's name -> conda's, where they differ.
    """
    (folder / "noarch").mkdir(parents=True)
    (folder / "noarch/repodata.json").write_text(json.dumps({"packages": {}, "info": {"subdir": "noarch"}}))
    subdir = folder / "linux-64"
    subdir.mkdir()
    packages = {}
    with TemporaryDirectory() as python, TemporaryDirectory() as pip:
        version = "{}.{}.{}".format(*sys.version_info)
        packages |= [_package(subdir, "python", version, _python(Path(python)))]
        packages |= [_package(subdir, "pip", ensurepip.version(), _pip(Path(pip)))]
    owners = _owners()
    needed = _closure(versions)
    for name, needs in needed.items():
        found = distribution(name)
        with TemporaryDirectory() as content:
            _link(found, owners, _site_packages(Path(content)))
            version = versions.get(name, found.version.partition("+")[0])
            depends = [conda_names.get(one, one) for one in needs]
            packages |= [_package(subdir, conda_names.get(name, name), version, Path(content), depends)]
    (subdir / "repodata.json").write_text(json.dumps({"packages": packages, "info": {"subdir": "linux-64"}}))


def _closure(names: Iterable[str]) -> dict[str, list[str]]:
    """Name -> names of what it needs, of the packages of these names and all that they need."""
    found: dict[str, list[str]] = {}
    waiting = [(name, "") for name in names]
    seen = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, extra = one
        wanted = [Requirement(line) for line in distribution(name).requires or []]
        wanted = [need for need in wanted if need.marker is None or need.marker.evaluate({"extra": extra})]
        needs = [canonicalize_name(need.name) for need in wanted]
        found[name] = sorted({*found.get(name, []), *needs} - {name})
        for need in wanted:
            waiting += [(canonicalize_name(need.name), more) for more in ("", *need.extras)]
    return found


def _files(found: Distribution) -> Iterator[Path]:
    for file in found.files or []:
        if file.parts[0] != ".." and "__pycache__" not in file.parts:
            yield Path(*file.parts)


def _owners() -> Counter[Path]:
    """Folder or file in site-packages -> how many packages have something there: folders are shared by some."""
    owners: Counter[Path] = Counter()
    for one in distributions():
        owners.update({place for file in _files(one) for place in (file, *file.parents[:-1])})
    return owners


def _link(found: Distribution, owners: Counter[Path], to: Path) -> None:
    """Links to the uppermost folders and files that belong to one package alone."""
    places = {
        next(place for place in (*reversed(file.parents[:-1]), file) if owners[place] == 1 or place == file)
        for file in _files(found)
    }
    for place in sorted(places):
        source = Path(str(found.locate_file(str(place)))).resolve()
        if source.exists():
            (to / place).parent.mkdir(parents=True, exist_ok=True)
            (to / place).symlink_to(source)


def _site_packages(folder: Path) -> Path:
    return folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def _python(folder: Path) -> Path:
    venv.create(folder, symlinks=True)
    return folder


def _pip(folder: Path) -> Path:
    (wheel,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(_site_packages(folder))
    return folder


def _package(
    subdir: Path, name: str, version: str, content: Path, depends: Iterable[str] = ()
) -> tuple[str, dict[str, object]]:
    """Write a package; returns its file and its entry in the channel's list."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0}
    index |= {"depends": ["python", *depends] if name not in ("python", "pip") else [], "subdir": subdir.name}
    found = sorted(path for path in content.rglob("*") if path.is_symlink() or path.is_file())
    names = [str(path.relative_to(content)) for path in found]
    kinds = ["softlink" if path.is_symlink() else "hardlink" for path in found]
    paths = [{"_path": file, "path_type": kind} for file, kind in zip(names, kinds, strict=True)]
    archive = subdir / f"{name}-{version}-0.tar.bz2"
    with TemporaryDirectory() as temporary, tarfile.open(archive, "w:bz2", compresslevel=1) as tar:
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
