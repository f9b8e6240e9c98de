# All runs of the grid in two small files, which git keeps; everything further down is made from these alone.


rule collect:
    input:
        script="workflow/scripts/collect.py",
        config=CONFIG,
        metrics=expand(f"{RESULTS}/runs/{{run}}/{METRICS}", run=RUNS),
        curves=expand(f"{RESULTS}/runs/{{run}}/{CURVE}", run=RUNS),
    output:
        runs=f"{RESULTS}/runs.csv",
        curves=f"{RESULTS}/curves.csv.gz",
    log:
        f"{LOGS}/collect.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    shell:
        "python {input.script} {input.config} {output} > {log} 2>&1"
