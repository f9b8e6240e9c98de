"""The report page in Chromium, wide and narrow: what no reading of its source can tell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.drawing import finish, save
from slotpipeline.reporting.report import drawn, write_report
from slotpipeline.reporting.style import panels
from slotpipeline.results.read import read_results
from synthetic import REFERENCE, make_config, write_grid

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; on Debian: apt install chromium")
WIDTHS = (400, 1280)
LOOK = """
<body>%s<script>
const frames = [...document.querySelectorAll("iframe")];
function state(frame) {
  const page = frame.contentDocument, all = [...page.querySelectorAll("body *")];
  const seen = (part) => part.getClientRects().length > 0 && getComputedStyle(part).visibility !== "hidden";
  const wide = all.filter((part) => seen(part) && !part.closest("svg, .whole, thead, .skip")
    && part.getBoundingClientRect().right > frame.clientWidth + 1).map((part) => part.textContent.slice(0, 40));
  const table = page.querySelector("#k-sweep-cells");
  const rows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const numbers = () => rows().map((row) => row.cells[5].querySelector("a").textContent);
  const field = table.parentElement.previousElementSibling.querySelector("input");
  field.value = "learned"; field.dispatchEvent(new Event("input"));
  const filtered = rows().length;
  field.value = ""; field.dispatchEvent(new Event("input"));
  table.tHead.rows[0].cells[5].querySelector("button").click();
  const target = page.querySelector("#runs details");
  frame.contentWindow.location.hash = target.id;
  return new Promise((done) => setTimeout(() => done({
    scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth, wide, filtered,
    all: rows().length, sorted: numbers(), parts: page.querySelectorAll("#k-sweep-figure .parts svg").length,
    shown: page.querySelector("#k-sweep-figure .parts").clientHeight, open: target.open,
  }), 300));
}
onload = async () => {
  const states = await Promise.all(frames.map(state));
  document.title = "done";
  document.body.textContent = JSON.stringify(states);
};
</script></body>
"""


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """What the page of a small made-up grid looks like at each width, after some clicks."""
    folder = tmp_path_factory.mktemp("browser")
    results = read_results(write_grid(folder / "grid", make_config(experiments=["k-sweep", "recipe-study"])), REFERENCE)
    for name in drawn(grid_results(results)):
        figure, axes = panels(2)
        for panel in axes:
            panel.plot([0, 1], label="line")
        save(finish(figure, "paper", name, [], []), folder / f"{name}.png")
    write_report(results, folder, folder / "report.html")
    frames = "".join(f'<iframe src="report.html" width="{width}" height="800"></iframe>' for width in WIDTHS)
    (folder / "look.html").write_text(LOOK % frames)
    words = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1800,900", "--virtual-time-budget=20000", "--dump-dom",
        (folder / "look.html").as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<body>(\[.*\])</body>", dom, flags=re.DOTALL)
    assert found, dom[-2000:]
    return dict(zip(WIDTHS, json.loads(found[1]), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_has_to_be_scrolled_sideways(width: int, states: dict[int, dict[str, Any]]) -> None:
    assert states[width]["scroll"] <= states[width]["client"] <= width
    assert states[width]["wide"] == []


def test_a_narrow_page_shows_the_parts_of_a_figure_one_by_one(states: dict[int, dict[str, Any]]) -> None:
    narrow, wide = (states[width] for width in WIDTHS)
    assert narrow["parts"] == 3  # the legend and two panels
    assert narrow["shown"] > 300 and wide["shown"] == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_are_sorted_and_filtered_and_links_open_what_they_lead_to(
    width: int, states: dict[int, dict[str, Any]]
) -> None:
    one = states[width]
    numbers = [float(number) for number in one["sorted"]]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) > 5
    assert 0 < one["filtered"] < one["all"]
    assert one["open"]
