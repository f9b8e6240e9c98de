"""docs/checklists.md is made of docs/checklists.yaml, has every item of its checklists, and leads somewhere."""

import re
from collections import Counter

import pytest

from docs.site.write_checklists import PAGE, PROJECT, checklists, items, page


def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_the_page_is_what_the_answers_and_the_facts_make():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/site/write_checklists.py"


def test_each_checklist_has_all_of_its_items():
    found = {checklist["name"]: [item["id"] for item in items([checklist])] for checklist in checklists()}
    assert found["ML code completeness"] == list("12345")
    assert len(found["REFORMS"]) == len(set(found["REFORMS"])) == 32
    assert list(Counter(name[0] for name in found["REFORMS"]).values()) == [3, 5, 7, 3, 6, 3, 3, 2]


@pytest.mark.parametrize("where", sorted({where for item in items(checklists()) for where in item["see"]}))
def test_each_link_leads_to_a_file_and_section(where):
    path, _, anchor = where.partition("#")
    assert (PROJECT / path).is_file()
    if anchor:
        assert anchor in anchors((PROJECT / path).read_text(encoding="utf-8"))
