"""What is in a crate, as JSON-LD: RO-Crate 1.1 and the profile Workflow Run Crate 0.5.

It is no Provenance Run Crate, the more detailed profile: that wants an action for each table and figure too, and nobody
records when, where and by which code these were made. Each training is recorded, and is an action here.

The graph is written without the library `rocrate`: it would bring five packages (jinja2, requests and others), stamps
the hour into each crate, and saves no more than the first of these functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

import slotmachines
from slotpipeline.data.datasets import dataset_label
from slotpipeline.reporting.crate_graph import Entity, Graph, file_id, slug
from slotpipeline.reporting.crate_runs import COMPLETED, dataset_id, run_action, times_of
from slotpipeline.results.collect import CURVES_CSV, EARLY_CSV, RUNS_CSV, SELECTED_CSV

METADATA = "ro-crate-metadata.json"
README = "README.md"
CONTEXT = ("https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context")
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_FORMATS = {
    ".cff": "application/yaml", ".csv": "text/csv", ".gz": "application/gzip", ".html": "text/html",
    ".json": "application/json", ".md": "text/markdown", ".png": "image/png", ".py": "text/x-python",
    ".rst": "text/x-rst", ".sh": "application/x-sh", ".yaml": "application/yaml", ".yml": "application/yaml",
}  # fmt: skip
_MEANINGS = {
    "config.yaml": "the grid's config as it was in force, with its defaults filled in",
    RUNS_CSV: "one row per finished run; docs/data-dictionary.md of the project has its columns",
    CURVES_CSV: "one row per run and epoch",
    SELECTED_CSV: "histograms of the selected weights",
    EARLY_CSV: "measurements within the first epoch",
    "summary.json": "accuracies and verdicts",
    "report.html": "the report, for readers",
    "requirements.lock": "the packages of the environment with their versions and digests",
    "claims.yaml": "the registered claims, which decide which runs give verdicts",
}
_DIGEST = "Its SHA-256 is over its name, source, note and arrays; each training verifies it."
_NO_DIGEST = "Its digest is not known here: neither the folders of its runs nor the dataset were there."


@dataclass(frozen=True)
class Described:
    """What the metadata are made from, beside the files.

    Attributes:
        config: of the grid, as it was in force.
        config_file, reference_file: names in the crate of what a user gives the workflow.
        runs: one row per recorded run.
        planned: identities of the runs that the grid asks for.
        digests: dataset -> its digests, none where none is known.
        citation: the contents of CITATION.cff.
    """

    config: Mapping[str, Any]
    config_file: str
    reference_file: str
    runs: pd.DataFrame
    planned: Set[str]
    digests: Mapping[str, Sequence[str]]
    citation: Mapping[str, Any]

    @property
    def grid(self) -> str:
        """The grid's name."""
        return str(self.config["grid"])

    def made(self, name: str) -> bool:
        """Whether a file of the crate is a result of the grid."""
        return name.startswith((f"results/{self.grid}/", f"figures/{self.grid}/"))


def metadata(
    contents: Mapping[str, bytes], described: Described, agent: str = "", published: date | None = None
) -> str:
    """The text of ro-crate-metadata.json; `agent`, `published`: see `slotpipeline.reporting.crate.write_crate`."""
    graph = Graph()
    citation = described.citation
    times = [one for row in described.runs.to_dict("records") if (one := times_of(row))]
    day = published or (max(end for _, end in times).date() if times else date(1970, 1, 1))
    graph.add(
        METADATA, "CreativeWork", about={"@id": "./"},
        conformsTo=[{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}],
    )  # fmt: skip
    graph.add(
        "./", "Dataset", name=_title(described), description=_description(described), datePublished=day.isoformat()
    )
    licence = graph.add(
        f"https://spdx.org/licenses/{citation['license']}", "CreativeWork", name=f"{citation['license']} licence",
        description="Its text is in the file LICENSE",
    )  # fmt: skip
    author = [_author(graph, one) for one in citation["authors"]]
    graph.say(
        "./", license=licence, author=author, keywords=", ".join(citation.get("keywords", [])),
        citation=[_work(graph, one) for one in citation.get("references", [])],
        conformsTo=[
            graph.add(name, "CreativeWork", name=words, version=version) for name, (words, version) in PROFILES.items()
        ],
        hasPart=[_file(graph, name, content) for name, content in contents.items()],
        mainEntity=_workflow(graph, described, author, licence),
    )  # fmt: skip
    inputs = _inputs(graph, described, contents)
    actions = [_grid_action(graph, described, times, inputs, contents)]
    actions += [run_action(graph, described.grid, row) for row in described.runs.to_dict("records")]
    if agent:
        who = graph.add("#agent", "Person", name=agent)
        for action in actions:
            graph.say(action["@id"], agent=who)
    graph.say("./", mentions=actions)
    whole = {"@context": list(CONTEXT), "@graph": list(graph.entities.values())}
    return f"{json.dumps(whole, indent=1, ensure_ascii=False)}\n"


def readme(described: Described) -> str:
    """The text of the crate's README.md."""
    grid = described.grid
    return f"""# {_title(described)}

{_description(described)}

This folder is a Workflow Run RO-Crate: `{METADATA}` says what each file is and gives its SHA-256.

* Begin with `results/{grid}/report.html`, the report.
* `results/{grid}/runs.csv` has a row per run, `results/{grid}/tables/` and `figures/{grid}/` what was made of them.
* `Snakefile` and `workflow/` are the workflow. To run it, check out the project at a commit that an action names.
"""


def _title(described: Described) -> str:
    return f"{described.citation['title']}: the grid {described.grid}"


def _description(described: Described) -> str:
    recorded = len(described.planned & set(described.runs["identity"]))
    return (
        f"{described.config.get('description') or described.grid}. The workflow, its inputs, its results, and one "
        f"action for each recorded run: {recorded} of {len(described.planned)} planned runs, and "
        f"{len(described.runs) - recorded} others. The datasets are named by their digests and not included; nor are "
        "the Python packages slotmachines and slotpipeline, which each action names by the git commit that ran. An "
        "action ends where its start and its seconds of training lead to: one that was interrupted ended later, and "
        "where several shared a process only the sum of their times is exact."
    )


def _author(graph: Graph, one: Mapping[str, Any]) -> Entity:
    if "name" in one:
        return graph.add(f"#{slug(one['name'])}", "Organization", name=one["name"])
    name = " ".join(str(one[part]) for part in ("given-names", "family-names") if part in one)
    return graph.add(str(one.get("orcid") or f"#{slug(name)}"), "Person", name=name)


def _work(graph: Graph, one: Mapping[str, Any]) -> Entity:
    name = str(f"https://doi.org/{one['doi']}" if "doi" in one else one.get("url", f"#{slug(one['title'])}"))
    authors = [_author(graph, author) for author in one.get("authors", [])]
    return graph.add(
        name, "ScholarlyArticle", name=one["title"], author=authors, datePublished=str(one.get("year", "")),
        isPartOf=one.get("collection-title"),
    )  # fmt: skip


def _file(graph: Graph, name: str, content: bytes) -> Entity:
    path = PurePosixPath(name)
    meaning = _MEANINGS.get(path.name, "")
    return graph.add(
        file_id(name), "File", name=name, description=meaning, encodingFormat=_FORMATS.get(path.suffix, "text/plain"),
        contentSize=str(len(content)), sha256=hashlib.sha256(content).hexdigest(),
        about={"@id": "./"} if name == README else "",
    )  # fmt: skip


def _workflow(graph: Graph, described: Described, author: list[Entity], licence: Entity) -> Entity:
    """What a user gives the Snakefile and gets of it, and the Snakefile itself, which is the main entity."""
    results = f"results/{described.grid}"
    graph.add(
        SNAKEMAKE, "ComputerLanguage", name="Snakemake", url="https://snakemake.readthedocs.io",
        identifier="https://doi.org/10.1093/bioinformatics/bts480",
    )  # fmt: skip
    given = {"config": described.config_file, "reference": described.reference_file}
    made = {"runs": f"{results}/{RUNS_CSV}", "summary": f"{results}/summary.json", "report": f"{results}/report.html"}
    for parameter, name in (given | made).items():
        graph.add(f"#parameter-{parameter}", "FormalParameter", name=parameter, additionalType="File",
                  conformsTo={"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"})  # fmt: skip
        graph.say(file_id(name), exampleOfWork={"@id": f"#parameter-{parameter}"})
    graph.entities["Snakefile"]["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    graph.say(
        "Snakefile", name="Slot machines: from a grid to its report", programmingLanguage={"@id": SNAKEMAKE},
        description="The workflow as it was when the crate was written; an older one may have started the runs.",
        conformsTo={"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        version=slotmachines.__version__, author=author, license=licence,
        softwareRequirements={"@id": "requirements.lock"},
        input=[{"@id": f"#parameter-{name}"} for name in given],
        output=[{"@id": f"#parameter-{name}"} for name in made],
    )  # fmt: skip
    return {"@id": "Snakefile"}


def _inputs(graph: Graph, described: Described, contents: Mapping[str, bytes]) -> list[Entity]:
    """What the grid reads: files of the crate, and the datasets."""
    read = [name for name in contents if name.startswith(("config/", "results/")) and not described.made(name)]
    files = [{"@id": file_id(name)} for name in read]
    datasets = [
        graph.add(
            dataset_id(name), "CreativeWork", name=dataset_label(name),
            identifier=[f"sha256:{one}" for one in digests],
            description=f"Not in the crate; `slotmachines fetch {name}` gets it. {_DIGEST if digests else _NO_DIGEST}",
        )
        for name, digests in described.digests.items()
    ]  # fmt: skip
    return [*files, *datasets]


def _grid_action(
    graph: Graph, described: Described, times: Sequence[tuple[datetime, datetime]], inputs: Sequence[Entity],
    contents: Mapping[str, bytes],
) -> Entity:  # fmt: skip
    made = [{"@id": file_id(name)} for name in contents if described.made(name)]
    done = described.planned <= set(described.runs["identity"])
    return graph.add(
        "#grid", "CreateAction", name=f"The grid {described.grid}", instrument={"@id": "Snakefile"},
        description="All runs of the grid, from the first start to the last end, on several days and perhaps machines. "
        "When its tables and figures were made is not recorded.",
        startTime=min(start for start, _ in times).isoformat() if times else "",
        endTime=max(end for _, end in times).isoformat() if times else "",
        actionStatus=COMPLETED if done else "", object=list(inputs), result=made,
    )  # fmt: skip
