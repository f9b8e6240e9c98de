# From the small result files to tables, figures and the report. Nothing here needs torch, data or a run's folder; a job
# takes seconds, which is not worth a place in the queue of a cluster (`localrule`). What is out of date is told by
# content, not by time (`states` in common.smk), as in a fresh clone, or after a pull, the times of files say nothing.

TABLE, SUMMARY = f"{RESULTS}/tables/{{experiment}}.csv", f"{RESULTS}/summary.json"
FIGURE, PAGE = f"{FIGURES}/{{experiment}}.png", f"{RESULTS}/report.html"


rule config:
    # The config in force: defaults filled in, changes of the command line made.
    input:
        lambda wildcards: now(not config_is_written()),
    output:
        CONFIG,
    log:
        f"{LOGS}/config.log",
    localrule: True
    conda:
        "../envs/report.yml"
    params:
        config=dict(config),
    script:
        "../scripts/write_config.py"


rule table:
    input:
        out_of_date(TABLE),
        unless_current(TABLE, code_of("slotpipeline.reporting.table_files")),
        unless_current(TABLE, measured_inputs),
        **small(TABLE),
    output:
        csv=report(
            TABLE,
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        markdown=f"{RESULTS}/tables/{{experiment}}.md",
        latex=f"{RESULTS}/tables/{{experiment}}.tex",
    log:
        f"{LOGS}/tables/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join(EXPERIMENTS),
    localrule: True
    conda:
        "../envs/report.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(input.runs, parent=True),
        folder=subpath(output.csv, parent=True),
    shell:
        "slotmachines table {params.results} {input.reference} {wildcards.experiment} {params.folder} > {log} 2>&1"


rule summary:
    input:
        out_of_date(SUMMARY),
        unless_current(SUMMARY, code_of("slotpipeline.reporting.summary")),
        **small(SUMMARY),
    output:
        report(SUMMARY, caption="../report/summary.rst", category="Claims and verdicts"),
    log:
        f"{LOGS}/summary.log",
    localrule: True
    conda:
        "../envs/report.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(input.runs, parent=True),
    shell:
        "slotmachines summary {params.results} {input.reference} {output} > {log} 2>&1"


rule figure:
    input:
        out_of_date(FIGURE),
        unless_current(FIGURE, lambda wildcards: code_of_script(figure_script(wildcards.experiment))),
        unless_current(FIGURE, measured_inputs),
        **small(FIGURE),
        script=unless_current(FIGURE, lambda wildcards: figure_script(wildcards.experiment)),
    output:
        png=report(
            FIGURE,
            caption="../report/figure.rst",
            category="Figures",
            labels={"experiment": "{experiment}"},
        ),
        svg=f"{FIGURES}/{{experiment}}.svg",
        pdf=f"{FIGURES}/{{experiment}}.pdf",
    log:
        f"{LOGS}/figures/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join([*EXPERIMENTS, *sources.OVERVIEWS]),
    localrule: True
    conda:
        "../envs/report.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(input.runs, parent=True),
    shell:
        "python {input.script} {params.results} {input.reference} {output.png} > {log} 2>&1"


rule report:
    input:
        out_of_date(PAGE),
        unless_current(PAGE, code_of("slotpipeline.reporting.report")),
        unless_current(PAGE, [path for name in EXPERIMENTS for path in measured_files(name)]),
        unless_current(PAGE, PREDICTIONS),
        **small(PAGE),
        figures=unless_current(PAGE, expand(f"{FIGURES}/{{name}}.svg", name=[*EXPERIMENTS, *sources.OVERVIEWS])),
    output:
        report(PAGE, caption="../report/page.rst", category="Claims and verdicts"),
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        "../envs/report.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(input.runs, parent=True),
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
    shell:
        "slotmachines report {params.results} {params.figures} {input.reference} {output} > {log} 2>&1"


# One target per experiment: snakemake k-sweep trains what it needs, and makes its table and figure.
for experiment in EXPERIMENTS:

    rule:
        name:
            experiment
        input:
            TABLE.format(experiment=experiment),
            FIGURE.format(experiment=experiment),
        localrule: True
