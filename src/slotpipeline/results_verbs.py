"""The verbs that turn finished runs into tables, pages and answers: the workflow and make call them, and people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from slotmachines.errors import UserError
from slotpipeline.as_json import AsJson, json_text
from slotpipeline.command import ReferenceFile, ResultsFolder


def show(
    config: Annotated[Path, typer.Argument(help="Configuration of a grid, such as config/smoke.yaml.")],
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    reference: Annotated[Path, typer.Option(help="The paper's numbers.")] = Path("config/reference.csv"),
) -> None:
    """Print the main table of a grid, beside the paper's numbers, and where its report is.

    Example: slotmachines show config/smoke.yaml
    """
    from slotpipeline.experiments.config_schema import read_grid
    from slotpipeline.reporting.main_table import behind_lines, machines_line, main_table_text
    from slotpipeline.results.read import read_results

    folder = results / read_grid(config)["grid"]
    if not (folder / "runs.csv").is_file():
        raise UserError(
            f"{folder}/runs.csv does not exist; run the grid first: snakemake --cores all --configfile {config}"
        )
    found = read_results(folder, reference)
    report = folder / "report.html"
    lines = [f"The report is at {report.resolve()}"] if report.is_file() else []
    lines = [line for line in (machines_line(found), *lines, *behind_lines(found, folder)) if line]
    typer.echo("\n\n".join([main_table_text(found), "\n".join(lines)]))


def collect(folder: ResultsFolder) -> None:
    """Gather the finished runs in FOLDER/runs into the small result files of the grid.

    Example: slotmachines collect results/mnist
    """
    from slotpipeline.experiments.grid import grid_runs, runs_with_histograms
    from slotpipeline.results.collect import collect as collect_runs
    from slotpipeline.runs.config import read_config

    config = read_config(folder / "config.yaml")
    planned = grid_runs(config)
    found = collect_runs(planned, runs_with_histograms(config), folder)
    others = f", and {found.others} that the grid does not plan" if found.others else ""
    typer.echo(f"{found.planned} of {len(planned)} runs are in {folder}/runs.csv{others}")
    for run_folder in found.without_weights:
        typer.echo(f"{run_folder} has no weights: no histogram of them")


def table(
    results: ResultsFolder,
    reference_csv: ReferenceFile,
    experiment: Annotated[str, typer.Argument(help="name of the experiment")],
    folder: Annotated[Path, typer.Argument(help="the folder of the tables")],
) -> None:
    """Write the table of one experiment of a grid as CSV and Markdown.

    Example: slotmachines table results/mnist config/reference.csv k-sweep results/mnist/tables
    """
    from slotpipeline.reporting.table_files import write_table
    from slotpipeline.results.read import read_results

    write_table(read_results(results, reference_csv), experiment, folder)


def summary(
    results: ResultsFolder,
    reference_csv: ReferenceFile,
    output: Annotated[Path, typer.Argument(help="the JSON file to write")],
) -> None:
    """Write the accuracies and the verdicts of a grid as JSON.

    Example: slotmachines summary results/mnist config/reference.csv results/mnist/summary.json
    """
    from slotpipeline.reporting.summary import write_summary
    from slotpipeline.results.read import read_results

    write_summary(read_results(results, reference_csv), output)


def report(
    results: ResultsFolder,
    figures: Annotated[Path, typer.Argument(help="the grid's folder of figures")],
    reference_csv: ReferenceFile,
    output: Annotated[Path, typer.Argument(help="the HTML file to write")],
) -> None:
    """Write the report of a grid from its small result files and its figures.

    Example: slotmachines report results/mnist figures/mnist config/reference.csv results/mnist/report.html
    """
    from slotpipeline.reporting.report import write_report
    from slotpipeline.results.read import read_results

    write_report(read_results(results, reference_csv), figures, output)


def claims(
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    reference: Annotated[Path, typer.Option(help="The published numbers.")] = Path("config/reference.csv"),
    write: Annotated[bool, typer.Option(help="Write claims.csv and claims.md into the folder of results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the paper holds: the verdict of each registered claim, from the recorded runs.

    Example: slotmachines claims
    """
    from slotpipeline.reporting.claim_table import claims_markdown, claims_so_far, tidy, write_claims
    from slotpipeline.reporting.claim_words import counts

    judged = claims_so_far(results, reference)
    if judged is None:
        raise UserError("there is no config/claims.yaml here; go to a project that has registered claims")
    if as_json:
        rows = json.loads(tidy(judged).to_json(orient="records"))  # what is not a number becomes null
        typer.echo(json_text({"counts": counts(judged.judged, judged.mark), "claims": rows}))
    else:
        typer.echo(claims_markdown(judged))
    if write:
        write_claims(judged, results)


def export(
    results: ResultsFolder,
    output: Annotated[Path, typer.Argument(help="The file to write; ends in .csv, .csv.gz or .parquet.")],
    table: Annotated[
        str,
        typer.Option(help="runs, curves, selected-weights or first-epoch; docs/data-dictionary.md has the columns."),
    ] = "runs",
) -> None:
    """Write the recorded runs of a grid as a tidy table, CSV or Parquet, for other programs.

    Example: slotmachines export results/mnist curves.parquet --table curves
    """
    from slotpipeline.results.tidy_export import export as write

    typer.echo(f"{output}: {write(results, output, table):,} rows")


def dictionary(page: Annotated[Path, typer.Argument(help="the page to write")]) -> None:
    """Write the page that says what the columns of exported tables mean, and which experiments there are.

    Example: slotmachines dictionary docs/data-dictionary.md
    """
    from slotmachines.files import replacing
    from slotpipeline.experiments.registry import EXPERIMENTS
    from slotpipeline.results.data_dictionary import dictionary_text

    titles = {name: experiment.title for name, experiment in EXPERIMENTS.items()}
    with replacing(page) as temporary:
        temporary.write_text(dictionary_text(titles), encoding="utf-8")


def predictions(
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
) -> None:
    """Compare the predictions in config/predictions.yaml, made before the runs, with the runs.

    Example: slotmachines predictions
    """
    from slotpipeline.reporting.prediction_table import predictions_text
    from slotpipeline.results.predictions_file import PREDICTIONS_YAML, read_predictions

    found = read_predictions(Path())
    if found is None:
        raise UserError(f"there is no {PREDICTIONS_YAML} here; go to a project that has predictions")
    typer.echo(predictions_text(found, results))


def paper_numbers(
    folder: Annotated[Path, typer.Argument(help="the folder for numbers.tex")],
    results: Annotated[Path, typer.Option(help="Folder of all grids' results.")] = Path("results"),
    reference: Annotated[Path, typer.Option(help="The published numbers.")] = Path("config/reference.csv"),
) -> None:
    """Write every number, table and verdict of the replication paper as LaTeX macros."""
    from slotpipeline.reporting.paper_numbers import write_paper_numbers

    for path in write_paper_numbers(results, reference, folder):
        typer.echo(path)


def readme(
    reference_csv: ReferenceFile,
    grids: Annotated[
        list[Path],
        typer.Argument(
            help="folders of the grids' results; of cells with equally many seeds, the first folder's counts"
        ),
    ],
    page: Annotated[Path, typer.Option("--readme", help="the file to change")] = Path("README.md"),
    configs: Annotated[Path, typer.Option(help="folder of the grids' configs")] = Path("config"),
    seconds: Annotated[Path, typer.Option(help="seconds per epoch on a core")] = Path("config/seconds_per_epoch.csv"),
    epochs: Annotated[Path, typer.Option(help="seconds per epoch on a GPU")] = Path("results/benchmark/epochs.csv"),
) -> None:
    """Fill the marks `answer`, `claims`, `scoreboard` and `grids` of a page, from recorded runs and measured times.

    Example: slotmachines readme config/reference.csv results/paper results/mnist
    """
    from slotpipeline.reporting.claim_table import claims_so_far
    from slotpipeline.reporting.grid_costs import grids_markdown
    from slotpipeline.reporting.marked_page import fill_marks, require_marks
    from slotpipeline.reporting.opening import opening
    from slotpipeline.reporting.scoreboard import scoreboard, sentence
    from slotpipeline.reporting.tested_claims import claims_for_readme
    from slotpipeline.results.read import read_results

    require_marks(page, ("answer", "claims", "scoreboard", "grids"))
    results = [read_results(grid, reference_csv) for grid in grids]
    judged = claims_so_far(grids[0].parent, reference_csv)
    if judged is None:
        raise UserError("there is no config/claims.yaml here; go to a project that has registered claims")
    texts = {
        "answer": opening(judged, results),
        "claims": claims_for_readme(judged),
        "scoreboard": sentence(scoreboard(results)),
        "grids": grids_markdown(configs, seconds, epochs),
    }
    for name, text in texts.items():
        fill_marks(page, name, text)
