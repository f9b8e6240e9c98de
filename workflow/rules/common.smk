# What the rules share: the runs of the grid, and where its files lie.

from slotmachines.replication.grid import grid_runs, kept_epochs
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
RUNS = {run.folder: run for run in grid_runs(config)}
CONNECTIONS = {"lenet": 266_200, "conv2": 4_300_992, "conv4": 2_425_024, "conv6": 2_261_184, "vgg19": 20_024_000}
