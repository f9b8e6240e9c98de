"""The examples of docs/gallery run, and become pages with their output and figures."""

import re

import pytest

from docs.site.render_gallery import GALLERY, cells_of, render

SCRIPT = """# %% [markdown]
# # A title
#
# Some *text*.

# %%
import matplotlib.pyplot as plt

x = 3
print(x)


# %%
def double(y):
    return 2 * y


plt.plot([1, double(x)])
plt.title("A line")
"""


def test_cells_are_told_apart():
    text, first, second = cells_of(SCRIPT)
    assert text.is_markdown and text.text == "# A title\n\nSome *text*."
    assert not first.is_markdown and first.text.startswith("import matplotlib") and first.line == 7
    assert second.text.startswith("def double")


@pytest.mark.parametrize("script", ["x = 1\n# %%\n", "", "# %% [markdown]\nno comment\n"])
def test_a_script_of_another_form_is_refused(script):
    with pytest.raises(ValueError):
        cells_of(script)


def test_a_page_has_text_code_output_and_figure(tmp_path):
    (tmp_path / "a.py").write_text(SCRIPT)
    page = render(tmp_path / "a.py", tmp_path / "out").read_text()
    assert page.startswith("# A title\n\nSome *text*.\n\n```python\nimport matplotlib")
    assert "```text\n3\n```" in page and "![A line](a-1.png)" in page
    assert (tmp_path / "out/a-1.png").read_bytes().startswith(b"\x89PNG")


def test_an_example_that_fails_leaves_no_page(tmp_path):
    (tmp_path / "a.py").write_text(SCRIPT + "\nraise OSError('no')\n")
    with pytest.raises(OSError, match="no"):
        render(tmp_path / "a.py", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.md"))


EXPECTED = {
    "compare_rivals": r"slot machine, K = 8 +(\d+\.\d)%",
    "shrink_to_a_ticket": r"K = 64: .*?(\d+\.\d)% of the test images right",
    "train_on_your_data": r"slot machine (\d+\.\d)%, learned",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in GALLERY.glob("*.py")))
def test_each_example_runs_and_learns(name, tmp_path):
    page = render(GALLERY / f"{name}.py", tmp_path).read_text(encoding="utf-8")
    (accuracy,) = re.findall(EXPECTED[name], page)
    assert float(accuracy) > 75  # chance: 10
    assert (tmp_path / f"{name}-1.png").stat().st_size > 10_000
    if name == "shrink_to_a_ticket":
        assert "the same bits: True" in page
