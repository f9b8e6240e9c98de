"""The report: one HTML page with everything in it, readable offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.analysis.text import network_title
from slotpipeline.analysis.verdict import MEANINGS, Verdict
from slotpipeline.data.datasets import dataset_label
from slotpipeline.experiments.experiment import Experiment, Group
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import comparisons, findings, grid_results, measures
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.claim_table import claims_of_grid
from slotpipeline.reporting.claim_words import by_answer, claim_sentence, counted, full_sentence
from slotpipeline.reporting.claim_words import counts as counts_of_claims
from slotpipeline.reporting.page_tables import PageTable, cells_table, claims_table, missing_table, run_key, text_table
from slotpipeline.reporting.prediction_table import predictions_of_page
from slotpipeline.reporting.registration import registration_note
from slotpipeline.reporting.run_origins import costs, machines, provenance, runs_by_cell
from slotpipeline.reporting.scoreboard import by_dataset, counts, readable_board, scoreboard, sentence
from slotpipeline.reporting.sources import OVERVIEWS, only_planned, overview_script, report_digest
from slotpipeline.reporting.tables import (
    CHOSE_NOTE,
    COMPARISON_NOTE,
    WORDS,
    chosen_note,
    data_notes,
    paper_notes,
    readable_comparisons,
    readable_measures,
)
from slotpipeline.reporting.vector import PageFigure, inlined
from slotpipeline.results.read import Results
from slotpipeline.runs.config import read_config
from slotpipeline.runs.to_do import failures, runs_to_do

PROJECT = "../.."
"""The project's folder, as seen from a report, `results/<grid>/report.html`."""

WEB = Path(__file__).with_name("web")
"""The page's style sheet and scripts, which it holds as well."""


@dataclass(frozen=True)
class Section:
    """What the page says of one experiment.

    Attributes:
        about: title, claim and group.
        findings: network -> what was found there.
        figure: None where nothing was run.
        files: label -> file that the section is made from or also comes as, relative to the page.
        tables: those of what was run.
        comparisons: of its cells; None where none is possible.
        missing: the cells that were not run; None where all were.
    """

    about: Experiment
    findings: list[tuple[str, list[str]]]
    figure: PageFigure | None
    files: dict[str, str]
    tables: list[PageTable]
    comparisons: PageTable | None
    missing: PageTable | None


def read_figure(picture: Path) -> str:
    """A figure as SVG.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return picture.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {picture}: {error.strerror}; draw the figures before the report") from None


def write_report(results: Results, figures: Path, output: str | Path) -> None:
    """Write the report page of a grid from its results and its figures, which are SVG files.

    Raises:
        UserError: a file is missing, damaged or cannot be written.
    """
    results = only_planned(results)
    to_do = runs_to_do(grid_runs(results.config), set(results.runs["identity"]), Path(output).parent)
    found = grid_results(results)
    every = [one for part in found.values() for one in part]
    pictures = inlined({name: read_figure(figures / f"{name}.svg") for name in drawn(found)})
    board = scoreboard([results])
    in_reach = board["dataset"].isin(results.config["networks"].values()).any()
    environment = Environment(
        loader=PackageLoader("slotpipeline.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sections = [_section(results, name, part, pictures.figures.get(name)) for name, part in found.items()]
    page = environment.get_template("report.html.j2").render(
        config=results.config,
        source=report_digest(results, found),
        css=Markup((WEB / "page.css").read_text(encoding="utf-8") + pictures.css),
        scripts=[Markup((WEB / name).read_text(encoding="utf-8")) for name in ("sortable.min.js", "page.js")],
        others=other_grids(results),
        claims=_claims(results),
        predictions=_predictions(results),
        score=counts(board) if in_reach else {},
        score_tested=any(count for verdict, count in counts(board).items() if verdict != Verdict.NOT_RUN),
        score_sentence=sentence(board),
        score_table=_board_table(by_dataset(board), "score-datasets", "Published numbers by dataset and verdict"),
        board=_board_table(readable_board(board), "score-numbers", "Every published number that was run"),
        meanings=MEANINGS,
        groups=grouped(sections),
        comparison_note=COMPARISON_NOTE,
        overviews={name: pictures.figures[name] for name in OVERVIEWS if name in pictures.figures},
        overview_files={name: figure_files(results, name, overview_script(name)) for name in OVERVIEWS},
        notes=[*chosen_note(every), *data_notes(zip(results.runs["dataset"], results.runs["data_note"], strict=True))],
        sources=paper_notes(_each_once(every)),
        failed=failures(to_do, Path(output).parent),
        provenance=provenance(results.runs) | registration_note(results),
        machines=text_table("machines", "Machines", machines(results.runs), ("machine", "device", "processor")),
        runs=runs_by_cell(results, every),
        costs=text_table("costs", "What each cell cost", costs(results), WORDS),
        dataset_label=dataset_label,
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def drawn(found: Mapping[str, Sequence[CellResult]]) -> list[str]:
    """The figures that show something: those of experiments with a finished run, and of the whole grid."""
    run = {name: [one for one in part if one.n] for name, part in found.items()}
    names = [name for name, part in run.items() if part]
    names += ["published-numbers"] if any(one.tolerance is not None for part in run.values() for one in part) else []
    return names + (["curves"] if any(EXPERIMENTS[name].in_curves for name in names if name in EXPERIMENTS) else [])


def _claims(results: Results) -> dict[str, Any]:
    """What the page says of the registered claims: a sentence, the tested ones as a table, and the others."""
    if results.registration is None:
        return {}
    claims = claims_of_grid(results)
    here = claims.judged if claims else []
    waiting = [
        f"{full_sentence(one.claim).rstrip('.')} ({network_title(one.scope.dataset, one.scope.network)})"
        for one in here
        if one.verdict is ClaimVerdict.NOT_RUN
    ]
    frozen = {scope.grid for scope in results.registration.scopes if scope.is_frozen}
    return {
        "said": counted(here, claims.mark) if claims else "",
        "answers": {
            words: [claim_sentence(one, claims.mark) for one in part]
            for words, part in by_answer(here, claims.mark).items()
        }
        if claims
        else {},
        "score": counts_of_claims(here, claims.mark) if claims else {},
        "dagger": CHOSE_NOTE if claims and any(claims.mark(one) for one in here) else "",
        "registered": results.registration.history,
        "open": _open_settings(here),
        "elsewhere": sorted(frozen - {results.config["grid"]}),
        "table": claims_table(claims) if claims else None,
        "waiting": waiting,
    }


def _open_settings(here: Sequence[JudgedClaim]) -> str:
    """On which data no claim can have a verdict, as its settings are not chosen yet; blank where there is none."""
    chosen = {one.scope.dataset for one in here if one.scope.is_frozen}
    waiting = dict.fromkeys(dataset_label(one.scope.dataset) for one in here if one.scope.dataset not in chosen)
    return f"the settings for {' and '.join(waiting)} are still to be chosen" if waiting else ""


def _predictions(results: Results) -> dict[str, Any]:
    """What the page says of the predictions of runs, once the first of these runs exists."""
    found = predictions_of_page(results)
    if found is None:
        return {}
    words = ("network", "method", "change", "inside")
    return {"said": found[0], "table": text_table("predicted", "Predicted runs, in percent", found[1], words)}


def other_grids(results: Results) -> dict[str, str]:
    """Name -> description of the project's other grids, without those on data of which nobody published a number."""
    published = {one.dataset for one in results.reference}
    configs = [read_config(path) for path in sorted((results.project / "results").glob("*/config.yaml"))]
    return {
        config["grid"]: config["description"]
        for config in configs
        if config["grid"] != results.config["grid"] and published & set(config["networks"].values())
    }


def grouped(sections: Sequence[Section]) -> dict[Group, list[Section]]:
    """The sections under the heads of the page, in its order."""
    groups = {group: [section for section in sections if section.about.group == group] for group in Group}
    return {group: part for group, part in groups.items() if part}


def figure_files(results: Results, name: str, script: str) -> dict[str, str]:
    """The files of a figure and the script that draws it, as a page's links."""
    figure = f"{PROJECT}/figures/{results.config['grid']}/{name}"
    return {"script": f"{PROJECT}/{script}", "PNG": f"{figure}.png", "SVG": f"{figure}.svg", "PDF": f"{figure}.pdf"}


def _each_once(found: Sequence[CellResult]) -> list[CellResult]:
    """The results without those of a cell that another experiment has as well."""
    return list({(run_key(one), one.paper): one for one in found}.values())


def _board_table(table: Any, name: str, caption: str) -> PageTable:
    return text_table(name, caption, table, ("published in", *WORDS))


def _section(results: Results, name: str, found: list[CellResult], figure: PageFigure | None) -> Section:
    unbroken = " = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
    measured, compared = measures(results, name, found), comparisons(name, found)
    tables = [cells_table(name, found)]
    if measured:
        tables.append(text_table(f"{name}-measures", "Measured beside accuracy", readable_measures(measured), WORDS))
    missing = missing_table(name, found)
    return Section(
        about=EXPERIMENTS[name],
        findings=[
            (network, [one.replace(*unbroken) for one in said])
            for network, said in findings(results, name, found, measured)
        ],
        figure=figure,
        files={"CSV": f"tables/{name}.csv", "LaTeX": f"tables/{name}.tex"}
        | figure_files(results, name, EXPERIMENTS[name].figure_script),
        tables=[table for table in tables if table.rows],
        comparisons=text_table(
            f"{name}-comparisons", "Differences between cells, in points", readable_comparisons(compared), WORDS
        ) if compared else None,
        missing=missing if missing.rows else None,
    )  # fmt: skip
