"""The file of claims: nobody changed what was registered, a later change is said, a bad file is one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from slotmachines import UserError
from slotpipeline.plain_yaml import parse_yaml, read_yaml
from slotpipeline.reporting.claim_words import full_sentence
from slotpipeline.results.claims import CLAIMS_YAML, REGISTERED_AT, REGISTERED_COMMIT, REGISTERED_DIGEST
from slotpipeline.results.claims_file import digest_of, read_claims, read_registration

PROJECT = Path(__file__).parents[1]
REGISTRATION = read_claims(PROJECT / CLAIMS_YAML)


def test_the_claims_are_the_registered_ones() -> None:
    """A change of a claim needs an amendment with a date, and leaves the registered text as it is."""
    assert digest_of(read_yaml(PROJECT / CLAIMS_YAML, "claims")) == REGISTERED_DIGEST
    assert not REGISTRATION.changed
    shown = subprocess.run(
        ["git", "show", f"{REGISTERED_COMMIT}:{CLAIMS_YAML}"], cwd=PROJECT, capture_output=True, text=True
    )
    if shown.returncode:
        pytest.skip("a shallow clone, or no clone: the registered commit is not there to compare with")
    assert digest_of(parse_yaml(shown.stdout, "claims")) == REGISTERED_DIGEST
    asked = ["git", "show", "--no-patch", "--format=%cI", REGISTERED_COMMIT]
    time = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert pd.Timestamp(time.strip()) == REGISTERED_AT


def test_a_change_after_the_registration_is_said(tmp_path: Path) -> None:
    content = read_yaml(PROJECT / CLAIMS_YAML, "claims")
    amended = {**content, "amendments": [{"date": "2026-12-01", "text": "Conv-2 is frozen"}]}
    found = read_claims(written(tmp_path, amended))
    assert not found.changed and found.notes == ["Amended on 2026-12-01: Conv-2 is frozen"]
    content["claims"]["accuracy-rises-to-eight"]["supported"]["lower_bound_above"]["mnist"] = 0.4
    found = read_claims(written(tmp_path, content))
    assert found.changed and len(found.notes) == 1


def written(folder: Path, content: object) -> Path:
    """A file of claims, with the configs that it names beside it."""
    for name in ("confirmation", "paper"):
        (folder / f"{name}.yaml").write_text((PROJECT / "config" / f"{name}.yaml").read_text())
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump(content).replace("'2026-12-01'", "2026-12-01"))
    return path


@pytest.mark.parametrize(
    ("place", "value", "wrong"),
    [
        (("margin",), 1, "margin"),
        (("scopes", "lenet", "grid"), "confirmations", "confirmations.yaml"),
        (("scopes", "lenet", "network"), "lenet5", "lenet5"),
        (("scopes", "lenet", "recipe"), "paper-globot", "paper-globot"),
        (("scopes", "lenet", "seeds"), [-1], "-1"),
        (("claims", "accuracy-rises-to-eight", "seed"), {}, "seed"),
        (("claims", "accuracy-rises-to-eight", "scopes"), ["alexnet"], "alexnet"),
        (("claims", "accuracy-rises-to-eight", "statistic"), "ratio", "ratio"),
        (("claims", "accuracy-rises-to-eight", "supported"), {"lower_bound_over": {"mnist": 1}}, "lower_bound_over"),
        (("claims", "accuracy-rises-to-eight", "supported"), {"lower_bound_above": {"cifar10": 1}}, "mnist"),
        (("claims", "accuracy-rises-to-eight", "supported"), {}, "one bound"),
        (("claims", "accuracy-rises-to-eight", "less"), None, "less"),
        (("claims", "accuracy-rises-to-eight", "cells"), {"method": "greedi"}, "greedi"),
        (("claims", "accuracy-rises-to-eight", "cells"), {"method": "greedy", "k": 8}, "'k'"),
        (("claims", "text-gives-the-numbers", "cells", "recipe"), "papers", "papers"),
        (("claims",), [1], "claims"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line(tmp_path: Path, place: tuple[str, ...], value: object, wrong: str) -> None:
    content = read_yaml(PROJECT / CLAIMS_YAML, "claims")
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(UserError) as error:
        read_claims(written(tmp_path, content))
    text = str(error.value)
    assert wrong in text and "claims.yaml: " in text and "\n" not in text


def test_each_claim_is_shown_as_a_sentence_of_its_own() -> None:
    """Lists by verdict tear a claim from the one before it."""
    registration = read_registration(PROJECT)
    assert registration is not None
    for claim in registration.claims:
        assert not full_sentence(claim).startswith("The same"), claim.name
