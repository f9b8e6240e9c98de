# From runs.csv and curves.csv.gz to tables, figures and the report. Nothing here needs torch, data or a run's folder.

SCRIPTS = {experiment: experiment.replace("-", "_") for experiment in config["experiments"]}


rule config:
    # The config in force: defaults filled in, changes of the command line made.
    input:
        workflow.overwrite_configfiles or workflow.configfiles,
    output:
        CONFIG,
    log:
        f"{LOGS}/config.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        text=yaml.safe_dump(dict(config), sort_keys=False),
    shell:
        "printf '%s' {params.text:q} > {output} 2> {log}"


rule tables:
    input:
        REPORTING,
        script="workflow/scripts/tables.py",
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
        "python {input.script} {input.config} {input.runs} {input.reference} {params.folder}"
        " {output.summary} > {log} 2>&1"


rule figure:
    input:
        REPORTING,
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
        REPORTING,
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
        REPORTING,
        script="workflow/scripts/report.py",
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
        "python {input.script} {input.config} {params.folder} {params.figures} {input.reference}"
        " {output} > {log} 2>&1"
