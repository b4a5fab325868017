"""Reads spec.py, the one source of an assignment, into cells, and says which of them is what: prompt, solution, test, report.

All that is emitted, checked and graded is made of what is read here, so whatever is wrong with a spec.py is refused here.
docs/teaching.md says how one is written.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext

COURSE = Path(__file__).parent
PARTS = {
    "code": ("setup", "tests", "solution", "given", "public", "hidden"),
    "markdown": ("", "report", "rubric"),
}
REGION = re.compile(r"^([ \t]*)# BEGIN SOLUTION[ \t]*\n(.*?)^[ \t]*# END SOLUTION[ \t]*\n?", re.MULTILINE | re.DOTALL)
STUB = re.compile(r"^([ \t]*)# STUB: ?(.*\n)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell of spec.py: `part` is one of PARTS, empty for text; `lang` is empty for English, or "zh"."""

    kind: str
    source: str
    part: str = ""
    question: str = ""
    points: int = 0
    lang: str = ""


@dataclass(frozen=True)
class Test:
    """One test: `sentence` says what it checks, `needs` are the names of the student's that it uses."""

    name: str
    question: str
    points: int
    hidden: bool
    sentence: str
    source: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """What spec.py says, cell by cell, and in what way the machinery asks for it."""

    name: str
    folder: Path
    cells: tuple[Cell, ...]
    signatures: dict[str, str] = field(compare=False)  # of each name that the student defines: "(x)" of a function, or ""
    tests: tuple[Test, ...] = ()

    @property
    def title(self) -> str:
        return self.heading("")

    @property
    def questions(self) -> list[str]:
        """The names of the questions, in their order."""
        return list(dict.fromkeys(cell.question for cell in self.cells if cell.question))

    @property
    def reports(self) -> list[Cell]:
        """The cells that a person grades."""
        return [cell for cell in self.cells if cell.part == "report" and not cell.lang]

    def heading(self, question: str, lang: str = "") -> str:
        """The first heading of a question, or of the page, without the points that stand behind it."""
        texts = (c.source for c in self.cells if c.kind == "markdown" and c.question == question and c.lang == lang)
        found = re.search(r"^#+ *(.*)$", "\n".join(texts), re.MULTILINE)
        return re.sub(r"\s*[(（][^()（）]*[)）]$", "", found[1]) if found else question

    def code(self, *parts: str) -> str:
        """The code of all cells of these parts."""
        return "\n\n".join(cell.source for cell in self.cells if cell.part in parts)


def load(name: str) -> Assignment:
    """An assignment by its name, such as "hw3", or by the folder that its spec.py is in.

    Raises
    ------
    ValueError
        If there is none, or if its spec.py cannot be used: the sentence says which cell is to be changed.
    """
    ours = re.fullmatch(r"\w+", name) and (COURSE / name / "spec.py").is_file()
    folder = COURSE / name if ours else Path(name).resolve()
    spec = folder / "spec.py"
    if not spec.is_file():
        raise ValueError(f"there is no assignment {name!r}: choose from {', '.join(names())}, or give a folder with a spec.py")
    cells = tuple(_cell(spec, i, raw) for i, raw in enumerate(jupytext.read(spec, fmt="py:percent").cells))
    signatures = _signatures(cells)
    uses = _uses("\n".join(cell.source for cell in cells if cell.part == "tests"), set(signatures))
    tests = tuple(_test(spec, cell, uses) for cell in cells if cell.part in ("public", "hidden"))
    if len({test.name for test in tests}) < len(tests):
        raise ValueError(f"{spec}: two tests have one name")
    return Assignment(folder.name, folder, cells, signatures, tests)


def names() -> list[str]:
    """The assignments that there are."""
    return sorted(spec.parent.name for spec in COURSE.glob("hw*/spec.py"))


def skeleton(cell: Cell) -> str:
    """The source as the student gets it: each solution gives way to its STUB lines, or to an error that names what is to be
    written.

    Examples
    --------
    >>> print(skeleton(Cell("code", "def f(x):\\n    # BEGIN SOLUTION\\n    return 2 * x\\n    # END SOLUTION")))
    def f(x):
        raise NotImplementedError("f is yours to write")
    """
    return REGION.sub(lambda region: stub(region, cell.question), cell.source + "\n").rstrip()


def stub(region: re.Match[str], question: str) -> str:
    """What stands in the place of one solution."""
    owners = re.findall(r"^(?:def|class) (\w+)", region.string[: region.start()], re.MULTILINE)
    lines = "".join(indent + line for indent, line in STUB.findall(region[2]))
    return lines or f'{region[1]}raise NotImplementedError("{(owners or [question])[-1]} is yours to write")\n'


def solution(cell: Cell) -> str:
    """The source with its solution, and without the marks around it."""
    return REGION.sub(lambda region: STUB.sub("", region[2]), cell.source + "\n").rstrip()


def _cell(spec: Path, i: int, raw) -> Cell:
    marks = {key: raw.metadata.get(key, "") for key in ("part", "question", "lang")}
    cell = Cell(raw.cell_type, raw.source.replace("from course.expect import expect\n", ""), points=_points(raw), **marks)
    where = f"{spec}, cell {i} ({(cell.source.splitlines() or [''])[0][:40]})"
    if cell.part not in PARTS.get(cell.kind, ()):
        raise ValueError(f"{where}: part={cell.part!r} is not one of {', '.join(filter(None, PARTS.get(cell.kind, ())))}")
    if cell.part in ("solution", "given", "public", "hidden", "report", "rubric") and not cell.question:
        raise ValueError(f"{where}: which question does it belong to?")
    if cell.part in ("public", "hidden", "report") and not cell.lang and cell.points < 1:
        raise ValueError(f"{where}: it needs its points, a positive integer")
    if len(REGION.findall(cell.source + "\n")) != cell.source.count("# BEGIN SOLUTION"):
        raise ValueError(f"{where}: each BEGIN SOLUTION needs its END SOLUTION, alone on a line")
    return cell


def _points(raw) -> int:
    points = raw.metadata.get("points", 0)
    return points if isinstance(points, int) else 0


def _signatures(cells: tuple[Cell, ...]) -> dict[str, str]:
    """What the student's cells define at top level."""
    found = {}
    for node in (node for cell in cells if cell.part in ("solution", "given") for node in ast.parse(cell.source).body):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = f"({ast.unparse(node.args)})"
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ""
        elif isinstance(node, ast.Assign):
            found |= {name.id: "" for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def _uses(helpers: str, theirs: set[str]) -> dict[str, set[str]]:
    """Which of the student's names stand behind a name: itself, or what a helper of the tests uses."""
    uses = {name: {name} for name in theirs}
    for node in ast.parse(helpers).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            uses[node.name] = set().union(*(uses.get(name, set()) for name in _names(node)))
    return uses


def _names(tree: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _test(spec: Path, cell: Cell, uses: dict[str, set[str]]) -> Test:
    tree = ast.parse(cell.source)
    (function,) = tree.body if len(tree.body) == 1 else [None]
    if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_") or function.decorator_list:
        raise ValueError(f"{spec}: a test cell holds one function `test_...`, without decorators, unlike {cell.source[:60]!r}")
    sentence = ast.get_docstring(function)
    if not sentence or "\n\n" in sentence:
        raise ValueError(f"{spec}: {function.name} needs a docstring, one sentence that says what it checks")
    return Test(
        name=function.name,
        question=cell.question,
        points=cell.points,
        hidden=cell.part == "hidden",
        sentence=" ".join(sentence.split()),
        source=cell.source,
        needs=tuple(dict.fromkeys(needed for name in _names(tree) for needed in sorted(uses.get(name, ())))),
    )
