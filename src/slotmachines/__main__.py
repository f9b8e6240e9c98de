"""The command `slotmachines`, which belongs to the pipeline."""

import sys
from importlib.util import find_spec

from slotmachines.errors import how_to_install

_NEEDED = ("filelock", "pandas", "tqdm", "typer", "yaml")
"""What the command line imports before it knows its verb, beside the library's own requirements."""


def main() -> None:
    """Run the pipeline's command line; without its packages, say in one line how to get them."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"slotmachines: the command needs the pipeline, and {', '.join(missing)} is missing; "
            f"{how_to_install('pipeline')}",
            file=sys.stderr,
        )
        sys.exit(2)
    from slotpipeline.cli import main as run

    run()


if __name__ == "__main__":
    main()
