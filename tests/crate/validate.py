"""Validate a crate by roc-validator without a network: python validate.py CRATE PROFILE LEVEL CACHE

roc-validator fetches the JSON-LD contexts that a crate names, and holds none itself. So its cache is filled before with
a stand-in: the terms that this project's crates use, with the meaning that the contexts of RO-Crate 1.1 and of
Workflow Run RO-Crate give them. A term that is not among them fails. So a pass says that the rules of the profile hold;
that the real contexts know each term was compared by hand once, not here.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from unittest import mock

import requests
import urllib3
from requests.adapters import HTTPAdapter
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

SCHEMA = (
    "CreateAction ComputerLanguage CreativeWork Dataset Organization Person PropertyValue ScholarlyArticle "
    "SoftwareApplication SoftwareSourceCode about actionStatus additionalType agent author citation contentSize "
    "datePublished description encodingFormat endTime exampleOfWork hasPart identifier instrument isPartOf keywords "
    "license mainEntity mentions name object programmingLanguage propertyID result softwareRequirements "
    "softwareVersion startTime unitCode url value version"
)
TERMS = {term: f"http://schema.org/{term}" for term in SCHEMA.split()} | {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
RUN_TERMS = {term: f"https://w3id.org/ro/terms/workflow-run#{term}" for term in ("resourceUsage", "sha256")}
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": TERMS,
    "https://w3id.org/ro/terms/workflow-run/context": RUN_TERMS,
}


def answer(request: requests.PreparedRequest) -> requests.Response:
    """What the network would send."""
    terms = CONTEXTS.get(str(request.url))
    body = io.BytesIO(json.dumps({"@context": terms or {}}).encode())
    sent = urllib3.HTTPResponse(
        body, headers={"Content-Type": "application/ld+json"}, status=404 if terms is None else 200,
        preload_content=False, request_url=str(request.url),
    )  # fmt: skip
    return HTTPAdapter().build_response(request, sent)


def main(crate: str, profile: str, level: str, cache: str) -> int:
    """Print what the validator finds, a line each."""
    HttpRequester.initialize_cache(cache_path=cache)
    with mock.patch.object(HTTPAdapter, "send", lambda self, request, **_: answer(request)):
        for url in CONTEXTS:
            HttpRequester().get(url, headers={"Accept": "application/ld+json, application/json"})
    settings = ValidationSettings(
        rocrate_uri=Path(crate), profile_identifier=profile, requirement_severity=Severity[level], offline=True,
        cache_path=Path(cache), abort_on_first=False,
    )  # fmt: skip
    issues = services.validate(settings).get_issues()
    for issue in issues:
        print(f"{issue.severity.name} {issue.check.identifier} {issue.violatingEntity}: {issue.message}")
    return int(bool(issues))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
