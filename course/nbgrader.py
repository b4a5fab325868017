"""The assignment for nbgrader 0.9: out/solution is a course folder with the source notebook, of which nbgrader makes the rest.

    cd out/solution && nbgrader generate_assignment hw3 --create     # release/hw3 is what to hand out; out/student is like it
    nbgrader autograde hw3 && nbgrader generate_feedback hw3 && nbgrader export     # submitted/ID/hw3/hw3.ipynb -> grades.csv

Each test is a graded cell of its own, for nbgrader gives all points of a cell or none. A cell that does not end is interrupted
by nbgrader, which then goes on; a function above the endless loop would have all its points. So each test first asks whether
the kernel was interrupted since the last one.
"""

import nbformat

from .assignment import REGION, Assignment, Cell
from .emit import Files, expect, in_language, notebook, source_of, test_name

CONFIG = """# For nbgrader 0.9; {name} is the folder's first assignment, and others may be put beside it in source/.
c = get_config()
c.CourseDirectory.course_id = "minidl"
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("this is yours to write")'}}
c.Execute.timeout = 20  # seconds of a cell
"""

GUARD = '''

def not_interrupted(question, stopped=set()):
    """Whether all cells of this question came to their end."""
    import sys

    if isinstance(getattr(sys, "last_value", None), KeyboardInterrupt):
        stopped.add(question)
        sys.last_value = None
    assert question not in stopped, "a cell of this question did not end: is there a loop that does not end?"
'''


def files(assignment: Assignment, lang: str, solved: bool) -> Files:
    name = assignment.name
    cells = [cell for cell in in_language(assignment, lang) if cell.part != "rubric"]
    book = notebook(cells, solved)
    for i, (made, cell) in enumerate(zip(book.cells, cells, strict=True)):
        rubrics = [c.source for c in in_language(assignment, lang) if c.part == "rubric" and c.question == cell.question]
        made.source = _source(cell, solved, "\n\n".join(rubrics))
        if cell.part not in ("setup", "given"):
            made.metadata["nbgrader"] = _role(cell, i)
    text = nbformat.writes(book) + "\n"
    if not solved:
        return {f"{name}.ipynb": text, "expect.py": expect()}
    return {
        "nbgrader_config.py": CONFIG.format(name=name),
        f"source/{name}/{name}.ipynb": text,
        f"source/{name}/expect.py": expect(),
    }


def _source(cell: Cell, solved: bool, rubric: str) -> str:
    if cell.part == "report":
        answer = f"### BEGIN SOLUTION\n{rubric}\n### END SOLUTION" if solved else "YOUR ANSWER HERE"
        return f"{cell.source}\n\n{answer}"
    if cell.part == "tests":
        return source_of(cell, solved) + GUARD
    if cell.part in ("public", "hidden"):
        test = source_of(cell, solved)
        if cell.part == "hidden":
            test = f"### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS" if solved else ""
        return f'not_interrupted("{cell.question}")\n{test}'.rstrip()
    return cell.source if solved else source_of(cell, solved)


def _role(cell: Cell, i: int) -> dict[str, object]:
    """What nbgrader is to do with the cell."""
    role = {"schema_version": 3, "task": False, "grade": False, "solution": False, "locked": True, "grade_id": f"cell-{i}"}
    if cell.part in ("public", "hidden"):
        role |= {"grade": True, "points": cell.points, "grade_id": test_name(cell)}
    elif cell.part == "report":
        role |= {"grade": True, "solution": True, "locked": False, "points": cell.points, "grade_id": cell.question}
    elif REGION.search(cell.source + "\n"):
        role |= {"solution": True, "locked": False}
    return role
