# From runs.csv and curves.csv.gz to tables, figures and the report. Nothing here needs torch, data or a run's folder.

SCRIPTS = {experiment: experiment.replace("-", "_") for experiment in config["experiments"]}


rule tables:
    input:
        config=CONFIG,
        runs=f"{RESULTS}/runs.csv",
        reference=REFERENCE,
    output:
        csv=expand(f"{RESULTS}/tables/{{experiment}}.csv", experiment=SCRIPTS),
        markdown=expand(f"{RESULTS}/tables/{{experiment}}.md", experiment=SCRIPTS),
        summary=f"{RESULTS}/summary.json",
    log:
        f"{LOGS}/tables.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        folder=lambda wildcards, output: Path(output.csv[0]).parent,
    shell:
        "python workflow/scripts/tables.py {input.config} {input.runs} {input.reference} {params.folder}"
        " {output.summary} > {log} 2>&1"


rule figure:
    input:
        script=lambda wildcards: f"workflow/scripts/{SCRIPTS[wildcards.experiment]}.py",
        config=CONFIG,
        runs=f"{RESULTS}/runs.csv",
        reference=REFERENCE,
    output:
        f"{FIGURES}/{{experiment}}.png",
    log:
        f"{LOGS}/figures/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join(SCRIPTS),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    shell:
        "python {input.script} {input.config} {input.runs} {input.reference} {output} > {log} 2>&1"


rule curves:
    input:
        script="workflow/scripts/curves.py",
        config=CONFIG,
        runs=f"{RESULTS}/runs.csv",
        curves=f"{RESULTS}/curves.csv.gz",
    output:
        f"{FIGURES}/curves.png",
    log:
        f"{LOGS}/figures/curves.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    shell:
        "python {input.script} {input.config} {input.runs} {input.curves} {output} > {log} 2>&1"


rule report:
    input:
        config=CONFIG,
        runs=f"{RESULTS}/runs.csv",
        reference=REFERENCE,
        figures=expand(f"{FIGURES}/{{name}}.png", name=[*SCRIPTS, "curves"]),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        folder=subpath(output[0], parent=True),
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
    shell:
        "python workflow/scripts/report.py {input.config} {params.folder} {params.figures} {input.reference}"
        " {output} > {log} 2>&1"
