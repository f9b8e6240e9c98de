# The runs of the grid in a few small files, which git keeps; everything further down is made from these alone.


rule collect:
    # `update`: the rows of runs whose folders are elsewhere stay.
    input:
        finished_runs,
        lambda wildcards: [*sorted({*marks().values()}), *now(marks() or to_collect())],
        config=lambda wildcards: ancient(CONFIG) if config_is_written() else CONFIG,
    output:
        runs=update(f"{RESULTS}/runs.csv"),
        curves=update(f"{RESULTS}/curves.csv.gz"),
        selected=update(f"{RESULTS}/selected_weights.csv"),
    log:
        f"{LOGS}/collect.log",
    # What is wanted is known to the main process only.
    localrule: True
    conda:
        "../envs/report.yml"
    params:
        folder=subpath(output.runs, parent=True),
    shell:
        "slotmachines collect {params.folder} > {log} 2>&1"
