# What the rules share: the runs of the grid, and where its files lie.

import yaml

from slotmachines.files import replacing
from slotmachines.replication.grid import grid_runs, kept_epochs
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
REFERENCE = "config/reference.csv"
CONFIG = f"{RESULTS}/config.yaml"
SECONDS = "config/seconds_per_epoch.csv"
RUNS = {run.folder: run for run in grid_runs(config)}
CONNECTIONS = {
    "lenet": 266_200,
    "conv2": 4_300_992,
    "conv4": 2_425_024,
    "conv6": 2_261_184,
    "vgg19": 20_024_000,
}


def keep_config():
    """Write the config that is in force, defaults and --config changes included; a new one outdates tables and figures."""
    text = yaml.safe_dump(dict(config), sort_keys=False)
    path = Path(CONFIG)
    if not path.is_file() or path.read_text() != text:
        with replacing(path) as temporary:
            temporary.write_text(text)


def runs_to_do():
    """The runs of the grid whose metrics are not there yet."""
    return [run for folder, run in RUNS.items() if not Path(RESULTS, "runs", folder, METRICS).is_file()]
