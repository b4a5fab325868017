"""Draws docs/imports.svg: the modules of minidl in their order, and which imports which.

    python tools/imports.py

Arrows point down only; tests/test_imports.py holds it. The order stands here alone, as `HOUSE`. The arrows are read from
the source, those inside functions too; what is imported for type checkers only is left out.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "imports.svg"

# The top first: a module imports what stands further down and, within a package, what stands further to the left.
# Where a package has no list, all that is in it counts as one.
HOUSE = {
    "__main__": "",
    "minidl": "",
    "explore": "",
    "interop": "pytorch onnx_format scikit_learn",
    "flow": "report quantities measure predict remedy diagnose compare watch",
    "theory": "",
    "sweep": "identity store result usual run __main__",
    "svg": "",
    "plot": "",
    "recipes": "",
    "training": "",
    "capture": "recording listing replay step",
    "script": "",
    "checkpoint": "",
    "gradcheck": "",
    "data": "",
    "optim": "optimizer sgd adam rmsprop lr_scheduler",
    "nn": "parameter initialize module linear conv pool norm activations layers losses containers utils",
    "state": "",
    "init": "base distributions matrices gain torch_names presets check",
    "creation": "",
    "functional": "arguments arithmetic shape reductions elementwise activations layers conv normalization losses",
    "tensor": "",
    "random": "",
    "gaussian": "",
    "kernels": "",
    "mistakes": "",
    "names": "",
    "ownership": "",
    "atomic": "",
    "version": "",
}
EVENING = "gradcheck"  # from here down it is an evening's reading
# The exceptions: a tensor's operators call the functions of functional/, and Module.explore shows a page.
UPWARDS = {("tensor", "functional"), ("nn.module", "explore")}

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#a6548a", "#b07d00", "#2f7fae"]  # after Okabe and Ito, dark enough for text


class Arrow(NamedTuple):
    """One import: the modules' names are those below minidl, and "minidl" for the package itself."""

    importer: str
    imported: str
    line: int


def modules(root: Path) -> dict[str, Path]:
    """The files of minidl in this folder, by the modules' names."""
    found = {}
    for path in sorted((root / "minidl").rglob("*.py")):
        parts = path.relative_to(root / "minidl").with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__") or "minidl"] = path
    return found


def arrows(root: Path) -> list[Arrow]:
    """Every import of a module of minidl by another."""
    files = modules(root)
    found = []
    for importer, path in files.items():
        package = ["minidl", *importer.split(".")] if importer != "minidl" else ["minidl"]
        if path.name != "__init__.py":
            package = package[:-1]
        for statement in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            for full in _targets(statement, package):
                parts = full.split(".")
                if parts[0] != "minidl":
                    continue
                while len(parts) > 1 and ".".join(parts[1:]) not in files:  # a name in a module
                    parts.pop()
                found.append(Arrow(importer, ".".join(parts[1:]) or "minidl", statement.lineno))
    return [arrow for arrow in found if arrow.importer != arrow.imported]


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _imports(child)


def _targets(statement: ast.Import | ast.ImportFrom, package: list[str]) -> list[str]:
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    above = package[: len(package) + 1 - statement.level] if statement.level else []
    return [".".join([*above, *filter(None, [statement.module]), alias.name]) for alias in statement.names]


def faults(root: Path, house: dict[str, str] = HOUSE) -> list[str]:
    """What is wrong, in sentences: a module without a place, a place without a module, an arrow that does not point down."""
    places = {name: number for number, name in enumerate(_in_order(house))}
    known = modules(root)
    whole = {name for name in house if not house[name] and name != "minidl"}  # what is in these has their place

    def place(module: str) -> str:
        head = module.partition(".")[0]
        return head if head in whole else module

    found = [f"{module} has no place in HOUSE (tools/imports.py)" for module in known if place(module) not in places]
    found += [f"HOUSE has a place for {name}, and there is no such module" for name in places if name not in known]
    for arrow in arrows(root):
        above, below = place(arrow.importer), place(arrow.imported)
        if above in places and below in places and places[above] < places[below] and (above, below) not in UPWARDS:
            found.append(
                f"{known[arrow.importer].relative_to(root)}:{arrow.line} imports {arrow.imported}, which stands above it"
            )
    return found


def _in_order(house: dict[str, str]) -> list[str]:
    """All names, the lowest first."""
    return [module for name, parts in reversed(house.items()) for module in (*(f"{name}.{p}" for p in parts.split()), name)]


def picture(root: Path, house: dict[str, str] = HOUSE) -> str:
    """The house as an SVG: a storey for each name, and arcs for imports. Left out are those that others imply."""
    storeys = list(house)
    upwards = {tuple(name.partition(".")[0] for name in pair) for pair in UPWARDS}
    direct: dict[str, set[str]] = {name: set() for name in storeys}
    for arrow in arrows(root):
        above, below = (name.partition(".")[0] for name in arrow[:2])
        if above != below and (above, below) not in upwards:
            direct[above].add(below)
    reached: dict[str, set[str]] = {}  # by any number of arrows
    for name in reversed(storeys):
        reached[name] = direct[name].union(*(reached[below] for below in direct[name]))
    height, left, right, width = 26, 40, 760, 990
    y = {name: 20 + height * i for i, name in enumerate(storeys)}
    lines = []
    for i, (name, parts) in enumerate(house.items()):
        colour = COLOURS[i % len(COLOURS)]
        lines.append(
            f'<rect x="{left}" y="{y[name] - 11}" width="{right - left}" height="{height - 4}" rx="4" fill="#eef2f7"/>'
        )
        lines.append(f'<text x="{left + 10}" y="{y[name] + 4}" font-weight="bold" fill="{colour}">{name}</text>')
        lines.append(f'<text x="{left + 110}" y="{y[name] + 4}" fill="#555">{parts}</text>')
        implied = set().union(*(reached[below] for below in direct[name]))
        lines += [_arc(right, y[name], y[below], colour) for below in storeys if below in direct[name] - implied]
        lines += [_arc(left, y[name], y[above], colour) for below, above in sorted(upwards) if below == name]
    line = y[EVENING] - height // 2 + 1
    lines.append(f'<path d="M{left},{line} H{right}" stroke="#000" stroke-dasharray="6 4"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {20 + height * len(storeys)}" font-family="sans-serif" '
        'font-size="13">\n<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#444"/></marker></defs>\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _arc(x: int, start: int, end: int, colour: str) -> str:
    """From one storey to another: on the right side downwards, on the left side upwards."""
    way = end - start
    bend = x + (20 if way > 0 else -20) + 0.6 * way
    return (
        f'<path d="M{x},{start + 3} C{bend:.0f},{start + 3} {bend:.0f},{end - 3} {x},{end - 3}" fill="none" stroke="{colour}" '
        'stroke-width="1.5" marker-end="url(#tip)"/>'
    )


def main() -> None:
    PICTURE.write_text(picture(ROOT), encoding="utf-8")
    print("\n".join(faults(ROOT)) or f"All arrows point down; wrote {PICTURE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
