"""`python -m course build hw3 --to FORMAT`: what students get, and the solution with all tests, made of the one spec.py.

Each format is a function from an assignment to files, as a mapping from path to content; jupytext writes scripts, and nbformat
notebooks. The formats of nbgrader, otter-grader and Gradescope are in files of their own.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jupytext
import nbformat

from .assignment import COURSE, Assignment, Cell, load, skeleton, solution
from .folders import written_whole

Files = Mapping[str, str | bytes]
READ_FIRST = {
    "en": "Read {name}.md first. `python -m course check {name}` in this folder says what works and what to do next.",
    "zh": "请先读 {name}.md。在本文件夹中运行 `python -m course check {name} --lang zh`，可以知道哪些已经正确，下一步做什么。",
}
INSTALL = {
    "en": 'Once, in a clone of minidl: `pip install -e ".[course,examples]"`. The tests and the picture need nothing else.',
    "zh": '请先在 minidl 的克隆中运行一次 `pip install -e ".[course,examples]"`，测试和画图所需的就都有了。',
}


def build(name: str, to: str, out: Path, lang: str = "en") -> str:
    """Write out/student and out/solution, whole or not at all, and say so."""
    from . import gradescope, nbgrader, otter

    formats: dict[str, Callable[[Assignment, str, bool], Files]] = {
        "plain": plain,
        "notebook": in_notebook,
        "nbgrader": nbgrader.files,
        "otter": otter.files,
        "gradescope": gradescope.files,
    }
    assignment = load(name)
    with written_whole(out) as new:
        for folder, solved in (("student", False), ("solution", True)):
            _write(new / folder, formats[to](assignment, lang, solved))
        os.chmod(new / "solution", 0o700)  # the hidden tests are in it
    return f"{assignment.name}, {to}: what to hand out is in {out / 'student'}, solution and hidden tests in {out / 'solution'}"


def plain(assignment: Assignment, lang: str, solved: bool) -> Files:
    """A script in cells, the page to read, and the tests for pytest."""
    name = assignment.name
    mine = [cell for cell in in_language(assignment, lang) if cell.part not in ("tests", "public", "hidden", "rubric")]
    pages = [cell.source for cell in mine if cell.kind == "markdown"]
    script = notebook(_only_title(mine, name, lang), solved)
    files = {
        f"{name}.py": jupytext.writes(script, fmt={"extension": ".py", "format_name": "percent"}),
        f"{name}.md": "\n\n".join([*pages[:1], INSTALL[lang], *pages[1:]]) + "\n",
        f"test_{name}.py": tests_module(assignment, solved),
        "expect.py": expect(),
    }
    rubrics = [cell.source for cell in in_language(assignment, lang) if cell.part == "rubric"]
    return files | ({"rubric.md": "\n\n".join(rubrics) + "\n"} if solved and rubrics else {})


def in_notebook(assignment: Assignment, lang: str, solved: bool) -> Files:
    """One notebook, with the tests as cells behind what they test."""
    cells = [cell for cell in in_language(assignment, lang) if solved or cell.part not in ("hidden", "rubric")]
    return {f"{assignment.name}.ipynb": nbformat.writes(notebook(cells, solved)) + "\n", "expect.py": expect()}


def in_language(assignment: Assignment, lang: str) -> list[Cell]:
    """All cells but the texts in another language."""
    return [cell for cell in assignment.cells if cell.kind == "code" or cell.lang == ("" if lang == "en" else lang)]


def notebook(cells: list[Cell], solved: bool) -> nbformat.NotebookNode:
    """Cells as a notebook: of its metadata, what tells where a cell belongs when it is handed in."""
    made = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "jupytext": {"notebook_metadata_filter": "-all"},
        }
    )
    for i, cell in enumerate(cells):
        marks = {"question": cell.question} if cell.question else {}
        marks |= {"part": cell.part} if cell.part in ("tests", "public", "hidden", "report", "rubric") else {}
        new = nbformat.v4.new_markdown_cell if cell.kind == "markdown" else nbformat.v4.new_code_cell
        made.cells.append(new(source_of(cell, solved), metadata=marks, id=f"cell-{i}"))
    return made


def source_of(cell: Cell, solved: bool) -> str:
    """What stands in the cell of a notebook."""
    if cell.part in ("public", "hidden"):
        return f"{cell.source}\n\n\n{test_name(cell)}()"
    if cell.part == "tests":
        return f"from expect import expect\n{cell.source}"
    return solution(cell) if solved else skeleton(cell)


def test_name(cell: Cell) -> str:
    return cell.source.partition("def ")[2].partition("(")[0]


def tests_module(assignment: Assignment, solved: bool) -> str:
    """test_hw3.py: the tests that students see, or all of them."""
    name = assignment.name
    which = "The tests" if solved else "The tests that you can see"
    tests = [test for test in assignment.tests if solved or not test.hidden]
    head = f'"""{which} of {name}: run `python -m pytest` in this folder."""\n\nfrom expect import expect\n'
    parts = [
        head,
        f"from {name} import *\n",
        assignment.code("tests").strip(),
        *(_with_points(test.source, test.points) for test in tests),
    ]
    return "\n\n".join(f"{part}\n" for part in filter(None, (part.strip("\n") for part in parts)))


def _with_points(source: str, points: int) -> str:
    return f"# {points} point{'s' * (points > 1)}\n{source}"


def expect() -> str:
    """The file that lies beside every test."""
    return (COURSE / "expect.py").read_text(encoding="utf-8")


def _only_title(cells: list[Cell], name: str, lang: str) -> list[Cell]:
    """Of the page before the first question, its heading alone, and where the rest is."""
    pages = [cell for cell in cells if cell.kind == "markdown" and not cell.question]
    titles = [page.source.splitlines()[0] for page in pages[:1]]
    first = [Cell("markdown", f"{title}\n{READ_FIRST[lang].format(name=name)}") for title in titles]
    return [*first, *(cell for cell in cells if cell not in pages)]


def _write(folder: Path, files: Files) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
