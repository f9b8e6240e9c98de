# Slot Machines (Aladago and Torresani, ICML 2021), end to end: grid -> runs -> metrics -> tables and figures -> report.
#
#   snakemake --cores all                                   the paper's grid
#   snakemake --cores all --configfile config/mnist.yaml    its MNIST half

from pathlib import Path

from slotmachines.errors import UserError
from slotmachines.replication.config import check_config
from slotmachines.replication.cost import estimated_hours
from snakemake.utils import min_version, validate

min_version("9.0")

# A grid given by --configfile replaces the paper's; Snakemake would merge the two.
if "grid" not in config:

    configfile: "config/paper.yaml"


SCHEMA = "workflow/schemas/config.schema.yaml"
try:
    check_config(config, SCHEMA)
    validate(config, SCHEMA)  # fills in the defaults

    include: "workflow/rules/common.smk"

except UserError as error:
    sys.exit(f"error: {error}")


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"


keep_config()


onstart:
    to_do = runs_to_do()
    hours = estimated_hours(to_do, SECONDS)
    print(
        f"grid {config['grid']}: {len(to_do)} of {len(RUNS)} runs to do, about {hours:.1f} hours on one processor core "
        f"like the one measured in {SECONDS}, less with more cores or a GPU",
        file=sys.stderr,
    )


rule all:
    localrule: True
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/summary.json",
