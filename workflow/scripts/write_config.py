"""Write the config of a grid, with defaults filled in and changes of the command line made, into a file."""

from pathlib import Path
from typing import Any

import yaml

from slotmachines.files import replacing

snakemake: Any  # Snakemake puts it here

with replacing(Path(snakemake.output[0])) as temporary:
    temporary.write_text(yaml.safe_dump(snakemake.params.config, sort_keys=False), encoding="utf-8")
