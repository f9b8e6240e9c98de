"""Every number, table and verdict of the replication paper, as LaTeX made from the recorded results.

The text in `paper/replication.tex` holds no result of its own: it reads `numbers.tex`, where each number is a macro.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotmachines.methods import RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.cell_results import CellResult
from slotpipeline.analysis.text import DASH, interval_text, method_name, number, options_text, span
from slotpipeline.analysis.verdict import Verdict
from slotpipeline.experiments.outcomes import experiment_results
from slotpipeline.reporting.claim_table import claims_so_far
from slotpipeline.reporting.paper_claims import claim_macros
from slotpipeline.reporting.scoreboard import by_dataset, scoreboard, sentence
from slotpipeline.reporting.tables import latex, latex_text, verdict_text
from slotpipeline.results.collect import RUNS_CSV
from slotpipeline.results.read import Results, read_results
from slotpipeline.results.reference import SOURCE, PublishedNumber

MIXTURE = "paper + code's value bound, score range"
"""The recipe that came closest, in the words of the recipe study: the text's settings, the code's random values."""

_RECIPES = {"Text": "paper", "Code": "code", "Mixture": MIXTURE, "Bound": "paper + code's value bound"}
_NUMERALS = {2: "Two", 4: "Four", 8: "Eight", 16: "Sixteen", 32: "ThirtyTwo", 64: "SixtyFour"}


def write_paper_numbers(results: Path, reference_csv: Path, folder: Path, project: Path = Path()) -> list[Path]:
    """Write `numbers.tex`, whose macros hold every number and table of the paper, into a folder.

    Args:
        results: the folder of all results; the grids `mnist`, `paper` and `confirmation` in it are used.
        project: with the registered claims and the folder of figures.

    Raises:
        UserError: the exploratory grid `mnist` has no results, or a file is damaged.
    """
    grids = {
        name: read_results(results / name, reference_csv, project)
        for name in ("confirmation", "paper", "mnist")
        if (results / name / RUNS_CSV).is_file()
    }
    if "mnist" not in grids:
        raise UserError(f"{results}/mnist/{RUNS_CSV} does not exist; the paper is written from it")
    claims = claims_so_far(results, reference_csv, project)
    macros = {
        **_overall(grids),
        **_recipe(grids["mnist"]),
        **_rivals(grids["mnist"]),
        **_cifar(grids.get("paper")),
        **_last_epochs(grids["mnist"]),
        **claim_macros(claims, list(grids.values())),
        "LeNetTable": _table(_lenet(grids)),
        "CifarTable": _table(_plain_cells(grids.get("paper"), "cifar10")),
        "RivalsTable": _table(_rival_cells(grids["mnist"])),
        "KSweepFigure": _figure(project, ("confirmation", "mnist"), "k-sweep"),
        "RecipeFigure": _figure(project, ("mnist",), "recipe-study"),
    }
    output = folder / "numbers.tex"
    with replacing(output) as temporary:
        lines = ["% Written by `slotmachines paper-numbers`; every number comes from the recorded results."]
        lines += [f"\\newcommand{{\\{name}}}{{{text.strip()}}}" for name, text in sorted(macros.items())]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [output]


def _overall(grids: Mapping[str, Results]) -> dict[str, str]:
    order = [grids[name] for name in ("confirmation", "paper", "mnist") if name in grids]
    board = scoreboard(order)
    runs = {name: len(grids[name].runs) if name in grids else 0 for name in ("confirmation", "paper", "mnist")}
    notes = sorted({note for results in order for note in results.runs["data_note"] if note})
    return {
        "ScoreboardSentence": latex_text(sentence(board)),
        "ScoreboardTable": latex(by_dataset(board)),
        "RunsExploratory": f"{runs['mnist']:,}",
        "RunsConfirmation": f"{runs['confirmation']:,}",
        "RunsGpu": f"{runs['paper']:,}",
        "RunsTotal": f"{sum(runs.values()):,}",
        "DataNote": latex_text("; ".join(notes)) or "all images are exact",
        "EpochsExplored": _epochs(grids["mnist"]),
        "EpochsConfirmed": _epochs(grids.get("confirmation")),
        "ClaimedLeNet": _claimed(grids["mnist"].reference, "lenet"),
        "ClaimedVgg": _claimed(grids["mnist"].reference, "vgg19"),
    }


def _epochs(results: Results | None) -> str:
    """How long greedy LeNet is trained in a grid."""
    cells = [one for one in _found(results, "k-sweep") if one.network == "lenet" and one.method == "greedy"]
    return str(cells[0].run.settings.epochs) if cells else DASH


def _claimed(reference: Sequence[PublishedNumber], network: str) -> str:
    """What the abstract says that a network reaches with K = 8."""
    found = [
        row.value
        for row in reference
        if (row.source, row.figure, row.architecture, row.options) == (SOURCE, "abstract", network, 8)
    ]
    return f"{found[0]:g}" if found else DASH


def _recipe(results: Results) -> dict[str, str]:
    """Accuracies of the recipe study, and what they say."""
    found = {(one.cell.words, one.options): one for one in _found(results, "recipe-study")}
    macros: dict[str, str] = {}
    differences: dict[str, list[float]] = {name: [] for name in _RECIPES}
    tolerance = float(results.config["tolerance"]["mnist"])
    for options in (2, 8):
        for name, words in _RECIPES.items():
            one = found.get((words, options))
            macros[f"{name}At{_NUMERALS[options]}"] = number(one.mean if one else None)
            macros[f"{name}Minus{_NUMERALS[options]}"] = number(one.difference if one else None, "+.2f")
            if one is not None and one.difference is not None:
                differences[name].append(one.difference)
        paper = next((one.paper for key, one in found.items() if key[1] == options and one.paper), None)
        macros[f"PublishedAt{_NUMERALS[options]}"] = number(paper.value if paper else None)
    seeds = sorted({one.n for one in found.values() if one.n})
    macros["RecipeSeeds"] = "--".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))) if seeds else DASH
    macros["RecipeFinding"] = _recipe_finding(differences, tolerance)
    return {name: latex_text(text) for name, text in macros.items()}


def _recipe_finding(differences: Mapping[str, Sequence[float]], tolerance: float) -> str:
    """Which recipes come within the tolerance of the paper at both K, in a sentence."""
    if any(len(found) < 2 for found in differences.values()):
        return "The recipe study is not finished."
    fits = {name: all(abs(one) <= tolerance for one in found) for name, found in differences.items()}
    words = {True: "comes within", False: "does not come within"}
    margin = f"{number(tolerance)} points of the paper at both K = 2 and K = 8"
    if not fits["Text"] and not fits["Code"] and fits["Mixture"]:
        return (
            "Neither the settings in the paper's text nor those of the released code give the paper's numbers. "
            f"A mixture {words[True]} {margin}: the text's learning rate, restarts and weight decay, with the random "
            "values of the code."
        )
    parts = [
        f"the {what} {words[fits[name]]} {margin}"
        for name, what in (("Text", "text"), ("Code", "released code"), ("Mixture", "mixture of both"))
    ]
    return f"{'; '.join(parts)}.".capitalize()


def _rivals(results: Results) -> dict[str, str]:
    found = [one for one in _found(results, "rivals") if one.n and not one.cell.words]
    by_method = {one.method: one for one in found}
    slot, learned = by_method.get("greedy"), by_method.get("learned")
    macros = {
        "RivalSlot": number(slot.mean if slot else None),
        "RivalLearned": number(learned.mean if learned else None),
    }
    trained = [one.mean for one in _found(results, "rivals") if one.n and one.method == "learned" and one.cell.words]
    macros["RivalLearnedElsewhere"] = (
        f"{span(min(trained), max(trained))}% as the authors of rivals train them" if trained else "no other settings"
    )
    ahead = [one for method, one in by_method.items() if method in RIVALS and slot and one.mean > slot.mean]
    names = ", ".join(method_name(one.method) for one in ahead)
    macros["RivalsAbove"] = f"the mean of {names} is higher" if ahead else "no rival has a higher mean"
    macros["RivalSeeds"] = str(slot.n if slot else 0)
    return {name: latex_text(text) for name, text in macros.items()}


def _cifar(results: Results | None) -> dict[str, str]:
    """The first runs on CIFAR-10 in words, and whether their recipe has been fixed."""
    judged = [one for one in _found(results, "k-sweep") if one.dataset == "cifar10" and one.n] if results else []
    if not judged:
        return {"CifarFinding": "No network has been trained on CIFAR-10 yet."}
    sentences = [
        f"{network_label(one.network)}, {_method(one)}: {number(one.mean)}% (n = {one.n}), published "
        f"{number(one.paper.value)}%"
        for one in judged
        if one.paper
    ]
    return {"CifarFinding": latex_text("; ".join(sentences) + ".")}


def _last_epochs(results: Results) -> dict[str, str]:
    """How far the last epoch is from the best epoch, over the cells of the main tables."""
    found = [one for name in ("k-sweep", "selection") for one in _found(results, name) if one.n]
    gaps = [one.mean - one.last_epoch for one in found if not pd.isna(one.last_epoch)]
    largest = max(gaps, key=abs, default=float("nan"))
    mean = sum(gaps) / len(gaps) if gaps else float("nan")
    texts = {"LastEpochMeanGap": number(mean, "+.2f"), "LastEpochLargestGap": number(largest, "+.2f")}
    return {name: latex_text(text) for name, text in texts.items()} | {"LastEpochCells": str(len(gaps))}


def _lenet(grids: Mapping[str, Results]) -> pd.DataFrame:
    """LeNet on MNIST: published, exploratory and confirmed, one row per method and K."""
    explored, confirmed = (_by_cell(grids.get(name), "lenet") for name in ("mnist", "confirmation"))
    rows = []
    for key in sorted({**explored, **confirmed}, key=_in_order):
        first, second = explored.get(key), confirmed.get(key)
        known: CellResult = first or second  # type: ignore[assignment]  # the key is of one of both
        paper = known.published_here
        rows.append(
            {
                "method": known.method,
                "K": options_text(known.options),
                "published": number(paper.value if paper else None),
                "range": span(paper.low, paper.high) if paper else DASH,
                "explored": _mean(first),
                "confirmed": _mean(second),
                "95% interval": interval_text(second.interval if second else None),
                "verdict": verdict_text(second) if second and second.n else str(Verdict.NOT_RUN),
            }
        )
    return pd.DataFrame(rows)


def _by_cell(results: Results | None, network: str) -> dict[tuple[str, int | None], CellResult]:
    found: dict[tuple[str, int | None], CellResult] = {}
    for experiment in ("k-sweep", "selection") if results else ():
        for one in _found(results, experiment):
            if one.network == network and not one.cell.words:
                found.setdefault((one.method, one.options), one)
    return found


def _in_order(cell: tuple[str, int | None]) -> tuple[str, int]:
    """By method, then by K."""
    return cell[0], cell[1] or 0


def _plain_cells(results: Results | None, dataset: str) -> pd.DataFrame:
    """The cells of one dataset that were run, beside the published numbers."""
    cells = [one for one in (_found(results, "k-sweep") if results else []) if one.dataset == dataset and one.n]
    return pd.DataFrame(
        {
            "network": network_label(one.network),
            "method": one.method,
            "K": options_text(one.options),
            "n": str(one.n),
            "mean": number(one.mean),
            "95% interval": interval_text(one.interval),
            "last epoch": number(one.last_epoch),
            "published": number(one.paper.value) if one.paper else DASH,
            "difference": number(one.difference, "+.2f"),
        }
        for one in cells
    )


def _rival_cells(results: Results) -> pd.DataFrame:
    cells = sorted((one for one in _found(results, "rivals") if one.n), key=lambda one: -one.mean)
    return pd.DataFrame(
        {
            "method": _method(one) + (f", {one.cell.words}" if one.cell.words else ""),
            "epochs": options_text(one.epochs),
            "n": str(one.n),
            "mean": number(one.mean),
            "95% interval": interval_text(one.interval),
            "last epoch": number(one.last_epoch),
        }
        for one in cells
    )


def _table(rows: pd.DataFrame) -> str:
    return latex(rows) if len(rows) else "Nothing has been run yet."


def _method(one: CellResult) -> str:
    name = method_name(one.method)
    return name if one.options is None else f"{name}, K = {one.options}"


def _mean(one: CellResult | None) -> str:
    return f"{number(one.mean)} ({one.n})" if one and one.n else DASH


def _found(results: Results | None, experiment: str) -> list[CellResult]:
    """The results of an experiment; none where the grid does not have it."""
    if results is None or experiment not in results.config["experiments"]:
        return []
    return experiment_results(results, experiment)


def _figure(project: Path, grids: Iterable[str], name: str) -> str:
    """The command that includes a figure of the first grid that has drawn it."""
    for grid in grids:
        if (picture := project / "figures" / grid / f"{name}.png").is_file():
            return f"\\includegraphics[width=0.7\\linewidth]{{{picture.relative_to(project).as_posix()}}}"
    return f"\\fbox{{The figure {name} has not been drawn.}}"
