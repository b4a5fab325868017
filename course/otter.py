"""The assignment for otter-grader 7: out/solution has the master notebook, of which `otter assign` makes the rest.

    cd out/solution && otter assign hw3.ipynb dist --no-run-tests
    timeout 300 otter run submission.ipynb -a dist/autograder/*.zip -o results     # the folder results must exist

dist/student is what to hand out; out/student is like it, without otter's own cells, and can be graded as well. Otter has no
limit of time, hence `timeout`: a submission that does not end has no results at all. On Gradescope, otter's own setup.sh
fetches conda; out/solution has one that does without, and it gets into otter's archive by
`zip -r dist/autograder/*.zip setup.sh run_autograder minidl-source`.
"""

import re

import nbformat

from .assignment import REGION, STUB, Assignment, Cell, stub
from .emit import Files, expect, in_language, in_notebook, notebook, source_of
from .gradescope import SETUP, minidl_source

RUN = """#!/usr/bin/env bash
# Gradescope calls this for each submission.
exec timeout 600 /autograder/venv/bin/python /autograder/source/run_otter.py
"""


def files(assignment: Assignment, lang: str, solved: bool) -> Files:
    if not solved:
        return in_notebook(assignment, lang, solved)
    cells = in_language(assignment, lang)
    asked = [cell for cell in cells if cell.question]
    before = [cell for cell in cells if not cell.question]
    book = notebook([], solved)
    book.cells = [
        _raw("# ASSIGNMENT CONFIG\nexport_cell: false\nfiles:\n  - expect.py"),
        *(_cell(cell) for cell in before),
    ]
    for question in assignment.questions:
        book.cells += _question(question, [cell for cell in asked if cell.question == question])
    for i, cell in enumerate(book.cells):
        cell.id = f"cell-{i}"
    return {
        f"{assignment.name}.ipynb": nbformat.writes(book) + "\n",
        "expect.py": expect(),
        "setup.sh": SETUP.format(packages="otter-grader==7.0.0 ipykernel"),
        "run_autograder": RUN,
    } | minidl_source()


def _question(name: str, cells: list[Cell]) -> list[nbformat.NotebookNode]:
    """The cells between BEGIN QUESTION and END QUESTION, and what is given after them."""

    def of(*parts: str) -> list[nbformat.NotebookNode]:
        return [_cell(cell) for cell in cells if cell.part in parts]

    tests, reports = of("public", "hidden"), [cell for cell in cells if cell.part == "report"]
    points = sum(cell.points for cell in cells if cell.part in ("public", "hidden", "report"))
    return [
        _raw(f"# BEGIN QUESTION\nname: {name}\npoints: {points}" + "\nmanual: true" * bool(reports)),
        *of("", "report"),
        _raw("# BEGIN SOLUTION"),
        *of("solution", "rubric"),
        _raw("# END SOLUTION"),
        *([_raw("# BEGIN TESTS"), *tests, _raw("# END TESTS")] if tests else []),
        _raw("# END QUESTION"),
        *of("given"),
    ]


def _raw(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_raw_cell(text)


def _cell(cell: Cell) -> nbformat.NotebookNode:
    if cell.kind == "markdown":
        return nbformat.v4.new_markdown_cell(cell.source)
    source = source_of(cell, True)
    if cell.part in ("public", "hidden"):
        hidden = str(cell.part == "hidden").lower()
        source = f'""" # BEGIN TEST CONFIG\nhidden: {hidden}\npoints: {cell.points}\n""" # END TEST CONFIG\n{source}'
    elif cell.part == "solution":
        source = REGION.sub(lambda region: _with_prompt(region, cell.question), cell.source + "\n").rstrip()
    return nbformat.v4.new_code_cell(source)


def _with_prompt(region: re.Match[str], question: str) -> str:
    """Otter's own stub is `...`, which makes a function that returns None: this one raises the skeleton's error."""
    indent = region[1]
    return (
        f"{indent}# BEGIN SOLUTION NO PROMPT\n{STUB.sub('', region[2])}{indent}# END SOLUTION\n"
        f'{indent}""" # BEGIN PROMPT\n{stub(region, question)}{indent}""" # END PROMPT\n'
    )
