"""The documentation's examples, run: the pages of small examples as doctests, the README's model as a program."""

import doctest
import linecache
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


EXAMPLES = [
    "docs/tour.md",
    "docs/tour.zh-CN.md",
    "docs/initializers.md",
    "docs/initializers.zh-CN.md",
    "docs/extending.md",
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_page_run_and_give_the_numbers_that_it_shows(name):
    failed, tried = doctest.testfile(str(ROOT / name), module_relative=False)
    assert (failed, tried >= 20) == (0, True)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_model_of_the_readme_learns(name, capsys):
    (model,) = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    exec(model, {})
    accuracy = float(capsys.readouterr().out.split()[-1])
    assert accuracy > 0.9


@pytest.mark.parametrize("name", ["docs/flow.md", "docs/flow.zh-CN.md"])
def test_the_page_on_flow_runs_and_says_what_it_prints(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / name).read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    namespace = {}
    exec(block, namespace)
    said = capsys.readouterr().out
    (start, remedy) = re.search(r"(vanishing: .*?by a factor of )\.\.\.\n    write: (.*)\n", page).groups()
    assert said.startswith(start)
    assert f"write: {remedy}\n" in said
    exec(remedy, namespace)
    assert str(namespace["flow"].diagnose(namespace["model"], namespace["x"], namespace["y"])) == "No fault found."
    assert (tmp_path / "flow.png").exists()


def test_the_page_on_sweeps_runs_and_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/sweeps.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:2]
    namespace = {"__name__": "page"}
    linecache.cache["<page>"] = (len(first), None, first.splitlines(keepends=True), "<page>")
    exec(compile(first, "<page>", "exec"), namespace)
    (shown,) = re.findall(r"```\n(8 points x .*?)```", page, re.DOTALL)
    pattern = re.escape(shown.strip()).replace(re.escape("..."), r"\S+( \S+)?")
    assert re.fullmatch(pattern, capsys.readouterr().out.strip())
    exec(second, namespace)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "map.png", "sweep"]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "README.zh-CN.md",
        "docs/tour.md",
        "docs/tour.zh-CN.md",
        "docs/initializers.md",
        "docs/initializers.zh-CN.md",
        "docs/extending.md",
        "docs/glossary.md",
        "docs/kernels.md",
        "docs/flow.md",
        "docs/flow.zh-CN.md",
        "docs/gallery.md",
        "docs/gallery.zh-CN.md",
        "docs/source.md",
        "docs/source.zh-CN.md",
        "docs/usage.md",
        "docs/usage.zh-CN.md",
        "docs/teaching.md",
        "docs/teaching.zh-CN.md",
        "docs/sweeps.md",
        "docs/same-bits.md",
        "docs/claims.md",
        "docs/claims.zh-CN.md",
        "docs/performance.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ],
)
def test_links_lead_to_files(name):
    page = ROOT / name
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


# Not Chinese pages, whose paragraphs are single lines: a line's end would be shown as a space between two characters.
ENGLISH = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if not path.name.endswith(".zh-CN.md"))


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.name)
def test_lines_of_text_are_shorter_than_120_characters(path):
    assert long_lines(path.read_text(encoding="utf-8")) == []


def long_lines(page):
    """The lines of 120 characters and more, without counting where links lead; code and tables may be longer."""
    text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return [line for line in text.splitlines() if len(line) >= 120 and not line.startswith("|")]


def test_long_lines_are_found():
    link, line = f"[word]({'x' * 200})", "x" * 120
    assert long_lines(f"{link}\n{line[1:]}\n{line}\n| {line} |\n```\n{line}\n```\n") == [line]


def test_the_glossary_has_the_same_terms_in_both_languages():
    english, chinese = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").split("## 中文\n")
    terms = re.findall(r"^\| (?!term)([^|]+) \| [^|]+ \| \[[^|]+ \|$", english, re.MULTILINE)
    assert len(terms) >= 50
    assert len(set(terms)) == len(terms)
    assert re.findall(r"^\| [^|]+ \| ([^|]+) \| [^|]+ \| \[[^|]+ \|$", chinese, re.MULTILINE) == terms


def test_the_examples_on_the_page_about_kernels():
    failed, tried = doctest.testfile(str(ROOT / "docs/kernels.md"), module_relative=False)
    assert (failed, tried >= 6) == (0, True)


def test_the_c_on_the_page_about_kernels_is_that_of_the_sources():
    page = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks/stages.c", *(ROOT / "csrc").glob("*.h"))]
    excerpts = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    assert len(excerpts) >= 5
    assert [excerpt for excerpt in excerpts if not any(excerpt in source for source in sources)] == []
