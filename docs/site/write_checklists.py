"""Write docs/checklists.md from the answers in docs/checklists.yaml and from facts of the code.

python docs/site/write_checklists.py
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from slotmachines.files import replacing
from slotpipeline.data.datasets import DATASETS
from slotpipeline.results.claims_file import read_registration
from slotpipeline.results.read import read_runs
from slotpipeline.runs.run import make_run

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "checklists.md"
ANSWERS = ("yes", "partly", "no", "does not apply")


def facts() -> dict[str, str]:
    """What the answers take from the code, the registered claims and the recorded runs."""
    registration = read_registration(PROJECT)
    if registration is None:
        raise ValueError("config/claims.yaml is missing")
    (note,) = {text for text in read_runs(PROJECT / "results/paper/runs.csv")["data_note"] if text}
    found = {
        "claims": str(sum(len(claim.scopes) for claim in registration.claims)),
        "minimum_seeds": str(registration.minimum_seeds),
        "inexact": str(note).split()[0],
    }
    for dataset, network in (("mnist", "lenet"), ("cifar10", "conv2")):
        run = make_run(network=network, dataset=dataset, method="greedy", options=8, seed=0, recipe="paper", changes={})
        found[f"{dataset}_train"] = f"{DATASETS[dataset].train_count:,}"
        found[f"{dataset}_validation"] = f"{run.settings.validation:,}"
        found[f"{dataset}_tolerance"] = f"{registration.tolerance[dataset]:g}"
    return found


def checklists() -> list[dict[str, Any]]:
    """The answers.

    Raises:
        ValueError: an answer is none of `ANSWERS`, or names no file.
    """
    found: list[dict[str, Any]] = yaml.safe_load((PROJECT / "docs/checklists.yaml").read_text(encoding="utf-8"))
    for item in items(found):
        if item["answer"] not in ANSWERS or not item["see"]:
            raise ValueError(f"{item['id']}: the answer is one of {', '.join(ANSWERS)}, and `see` names a file")
    return found


def items(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All items of some checklists."""
    return [item for checklist in found for part in checklist["parts"] for item in part["items"]]


def page() -> str:
    """The page: a table per checklist, with links relative to docs/."""
    known, lines = facts(), ["# Checklists for reviewers"]
    lines.append("`python docs/site/write_checklists.py` makes this page of `docs/checklists.yaml`.")
    for checklist in checklists():
        counts = Counter(item["answer"] for item in items([checklist]))
        said = ", ".join(f"{counts[answer]} {answer}" for answer in ANSWERS if counts[answer])
        lines.append(f"## {checklist['name']}")
        lines.append(f"[{checklist['source']}]({checklist['link']}). {checklist['about']} Answers: {said}.")
        rows = ["| item | asks | answer | here | see |", "| --- | --- | --- | --- | --- |"]
        for part in checklist["parts"]:
            rows.append(f"| | **{part['name']}** | | | |")
            for item in part["items"]:
                see = ", ".join(_link(where) for where in item["see"])
                says = item["says"].format(**known)
                rows.append(f"| {item['id']} | {item['asks']} | {item['answer']} | {says} | {see} |")
        lines.append("\n".join(rows))
    return "\n\n".join(lines) + "\n"


def _link(where: str) -> str:
    path, _, _ = where.partition("#")
    target = where.removeprefix("docs/") if path.startswith("docs/") else f"../{where}"
    return f"[{Path(path).name}]({target})"


if __name__ == "__main__":
    with replacing(PAGE) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(PROJECT))
