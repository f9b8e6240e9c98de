"""What the project's programs share: how bad input and signals end them, and the files that several are given."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from slotmachines.errors import UserError, one_line
from slotpipeline.stopping import Stopped, stoppable

ResultsFolder = Annotated[Path, typer.Argument(help="the grid's folder of results, with config.yaml and runs.csv")]
ReferenceFile = Annotated[Path, typer.Argument(help="the published numbers")]
PictureFile = Annotated[Path, typer.Argument(help="the PNG to write")]


def begins(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """For the shell: those of some names that begin with what was typed."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


_FREE_SPACE = "free some space, then give the same command again"
_ADVICE = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EIO: "the disk or its connection fails; mend it or use another, then give the same command again",
    errno.EINTR: "give the same command again",  # a disk over the network, mounted with `intr`
    errno.EROFS: "choose a folder on a disk that may be written to",
    errno.EACCES: "choose a file or folder that you may use, or change its permissions",
    errno.EPERM: "choose a file or folder that you may use, or change its permissions",
}
"""What to do about an error of the file system that is no fault of the program."""


def disk_trouble(error: OSError) -> str | None:
    """What to say of a full, failing or locked disk in one line; None for other errors."""
    if "No usable temporary directory" in str(error):  # what Python's tempfile says where every disk is full
        return f"cannot write temporary files: no space or permission; {_FREE_SPACE}, or set TMPDIR to another folder"
    advice = _ADVICE.get(error.errno or 0)
    if advice is None:
        return None
    place = error.filename2 or error.filename
    where = f": {one_line(place)}" if isinstance(place, str | bytes) or hasattr(place, "__fspath__") else ""
    return f"{error.strerror}{where}; {advice}"


@contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """What ends the program in the block is one line on standard error.

    The status is 2 for bad input and for a disk that is full, fails or may not be written to, and, as shells have it,
    128 and the number of the signal for SIGINT and SIGTERM; docs/commands.md lists all of them.
    """
    try:
        with stoppable():
            yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if (trouble := disk_trouble(error)) is None:
            raise
        print(f"{program}: {trouble}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(f"{program}: {stopped}", file=sys.stderr)
        sys.exit(128 + stopped.number)


def run(command: Callable[..., None]) -> None:
    """Run a script's command with the arguments it was given."""
    with one_line_errors("error"):
        typer.run(command)
