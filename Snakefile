# Slot Machines (Aladago and Torresani, ICML 2021), end to end: grid -> runs -> metrics -> tables and figures -> report.
#
#   snakemake --cores all                                          the paper's grid
#   snakemake --cores all --configfile config/mnist.yaml           its MNIST half
#   snakemake --cores all --configfile config/smoke.yaml k-sweep   one experiment of a grid

from snakemake.utils import min_version, validate

min_version("9.0")

# A grid given by --configfile replaces the paper's; Snakemake would merge the two.
if "grid" not in config:

    configfile: "config/paper.yaml"


validate(config, "workflow/schemas/config.schema.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/collect.smk"


rule all:
    localrule: True
    default_target: True
    input:
        RESULTS + "/runs.csv",
