"""Puts random faults into the code, one at a time, and tells which of them no test notices.

    nice python tools/faults.py --count 100 --out survivors.txt [--seed 0] [--only minidl/random.py csrc/sampling]

A fault is a small change such as people make: another operator or comparison, a number one off, a condition that always or
never holds, arguments that change places, a statement left out, a return too early. Each is made in a copy of the project;
the tests that belong to the file (TESTS below, and the file's own examples) run until one fails. What survives is a gap in
the tests, or else a fault that changes nothing: a person has to look at it. Lines that seem to be about speed only are marked.

Error messages, annotations and generated tables are left alone; so are _compiled.pyx and instruction sets that are not here.
It needs a C compiler.
"""

import argparse
import ast
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple
from itertools import pairwise
from pathlib import Path

try:
    from tqdm import tqdm
except ImportError:

    def tqdm(faults, **_):
        return faults


ROOT = Path(__file__).parent.parent
MEMORY = 16 << 30  # bytes; a fault may ask for any amount
SKIPPED = {"minidl/kernels/quantile_table.py", "csrc/quantile_table.h"}
SPEED = re.compile(
    r"grain|per_thread|prefetch|cache|pack|aliased|panel|\bMC\b|\bNC\b|unroll|looks|chunk|modest|heavy", re.IGNORECASE
)

# The longest beginning of the file's name counts.
TESTS = {
    "csrc/": "tests/kernels tests/test_training_bits.py",
    "csrc/sampling": "tests/kernels/test_sampling.py tests/test_random.py",
    "csrc/philox": "tests/kernels/test_sampling.py tests/test_random.py",
    "csrc/summary": "tests/kernels/test_summarize.py tests/flow/test_measure.py",
    "minidl/": "tests --ignore=tests/test_claims.py --ignore=tests/test_examples.py",
    "minidl/atomic.py": "tests/test_atomic.py tests/test_tensor_edges.py tests/nn/test_module.py tests/test_optim.py",
    "minidl/data.py": "tests/test_data.py",
    "minidl/flow/": "tests/flow tests/test_plot.py",
    "minidl/functional/": "tests/test_functional.py tests/test_tensor.py tests/test_tensor_edges.py "
    "tests/nn tests/test_training_bits.py",
    "minidl/gaussian.py": "tests/test_gaussian.py tests/init tests/test_theory.py",
    "minidl/gradcheck.py": "tests/test_gradcheck.py",
    "minidl/init/": "tests/init tests/nn/test_initialize.py tests/test_recipes.py",
    "minidl/kernels/": "tests/kernels tests/test_random.py",
    "minidl/names.py": "tests/test_names.py",
    "minidl/nn/": "tests/nn tests/test_tensor_edges.py tests/test_training_bits.py",
    "minidl/optim/": "tests/test_optim.py tests/test_tensor_edges.py tests/test_training_bits.py",
    "minidl/ownership.py": "tests/test_tensor.py tests/test_tensor_edges.py",
    "minidl/plot.py": "tests/test_plot.py tests/flow",
    "minidl/random.py": "tests/test_random.py tests/kernels/test_sampling.py",
    "minidl/recipes.py": "tests/test_recipes.py",
    "minidl/tensor.py": "tests/test_tensor.py tests/test_tensor_edges.py tests/test_functional.py "
    "tests/test_gradcheck.py tests/nn",
    "minidl/theory.py": "tests/test_theory.py tests/flow tests/init/test_check.py",
}

# text[begin:end] becomes `new`. Texts are read as Latin-1, one character a byte, since ast counts columns in bytes.
Fault = namedtuple("Fault", "begin end new")

SWAPPED = {
    **{
        "+": "-",
        "-": "+",
        "*": "/",
        "/": "*",
        "//": "/",
        "%": "/",
        "**": "*",
        "<<": ">>",
        ">>": "<<",
        "&": "|",
        "|": "&",
        "^": "&",
    },
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "is": "is not", "is not": "is", "in": "not in"},
    **{"not in": "in", "and": "or", "or": "and", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*="},
}
PYTHON_OPERATOR = re.compile(r"\*\*|//|<<|>>|[<>=!]=|\bis not\b|\bnot in\b|[-+*/%&|^<>]|\b(?:is|in|and|or)\b")


# Faults in Python


def python_faults(text):
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def begin(node):
        return starts[node.lineno - 1] + node.col_offset

    def end(node):
        return starts[node.end_lineno - 1] + node.end_col_offset

    def whole(node, new):
        return Fault(begin(node), end(node), new)

    def operators(operands):
        for left, right in pairwise(operands):
            found = PYTHON_OPERATOR.search(text, end(left), begin(right))
            if found and found[0] in SWAPPED:
                yield Fault(*found.span(), SWAPPED[found[0]])

    def visit(node):
        match node:
            case ast.Raise() | ast.JoinedStr():
                return
            case ast.BinOp(left, _, right):
                yield from operators([left, right])
            case ast.Compare(left, _, comparators):
                yield from operators([left, *comparators])
            case ast.BoolOp(_, values):
                yield from operators(values)
            case ast.AugAssign(target, _, value):
                gap = text[end(target) : begin(value)].strip()
                if gap in SWAPPED:
                    yield Fault(text.index(gap, end(target)), text.index(gap, end(target)) + len(gap), SWAPPED[gap])
            case ast.UnaryOp(ast.Not() | ast.USub(), operand):
                yield Fault(begin(node), begin(operand), "")
            case ast.Constant(bool(value)):
                yield whole(node, str(not value))
            case ast.Constant(int(value)):
                yield from (whole(node, str(value + 1)), whole(node, str(value - 1)))
            case ast.Constant(float(value)):
                yield whole(node, repr(2 * value or 1.0))
            case ast.If(test) | ast.IfExp(test):
                yield from (whole(test, "True"), whole(test, "False"))
            case ast.Call(func, args) if not re.search(r"\b(max|min|maximum|minimum|isinstance|warn)$", ast.unparse(func)):
                for left, right in pairwise(args):
                    parts = text[begin(right) : end(right)], text[end(left) : begin(right)], text[begin(left) : end(left)]
                    if parts[0] != parts[2] and not isinstance(right, ast.Starred):
                        yield Fault(begin(left), end(right), "".join(parts))
            case ast.FunctionDef(body=body) if not any(isinstance(inner, ast.Return) for inner in ast.walk(node)):
                yield from (whole(statement, "return") for statement in body[1:])
        match node:
            case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Assign([ast.Attribute() | ast.Subscript()]) | ast.Delete():
                yield whole(node, "pass")
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns", "decorator_list"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from visit(child)

    return list(visit(ast.parse(text.encode("latin-1"))))


# Faults in C

NOT_CODE = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^[ \t]*#[ \t]*(?:include|pragma|if|ifdef|ifndef|elif|undef|error)\b[^\n]*',
    re.DOTALL | re.MULTILINE,
)
C_PATTERNS = [  # what is changed is the first group
    (r"(?<= )([-+*/%&|^]|<<|>>|[<>=!]=|[<>]|&&|\|\||[-+*/]=)(?= )", lambda old: [SWAPPED[old]]),
    (
        r"(?<![\w.])(?<!e[-+])(0[xX][\da-fA-F]+|\d+)(?=[uUlL]*(?![\w.]))",
        lambda old: [str(int(old, 0) + 1), str(int(old, 0) - 1)],
    ),
    (r"(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?)(?=f?\b)", lambda old: [repr(2 * float(old) or 1.0)]),
    (r"(!)(?=[\w(])", lambda old: [""]),
    (r"\b(MIN|MAX)_F", lambda old: [{"MIN": "MAX", "MAX": "MIN"}[old]]),
    (r"\bif \(([^;{}]*)\)(?= *[{\n])", lambda old: ["1", "0"]),
    (r"(?<= )\? ([\w.>\[\]-]+ : [\w.>\[\]-]+)", lambda old: [" : ".join(reversed(old.split(" : ")))]),
    (r"^[ \t]+([^\s=;]+ [-+*/|&^<>]*= [^;{}]*);", lambda old: [""]),
    (r"^[ \t]+([\w.>-]+\([^;{}]*\));", lambda old: [""]),
]


def c_faults(text):
    code = NOT_CODE.sub(lambda found: re.sub(r"\S", " ", found[0]), text)
    for pattern, new in C_PATTERNS:
        for found in re.finditer(pattern, code, re.MULTILINE):
            yield from (Fault(*found.span(1), changed) for changed in new(found[1]))


# A copy of the project with one fault


class Copy:
    """The project in another folder, built there; `broken` puts a fault in and takes it out again."""

    def __init__(self, folder):
        self.root = Path(folder, "minidl")
        left_out = shutil.ignore_patterns(".git", "build", "*.so", "*venv*", ".*_cache", "__pycache__")
        shutil.copytree(ROOT, self.root, ignore=left_out)
        self.run(sys.executable, "setup.py", "-q", "build_ext", "--inplace")
        (self.library,) = self.root.glob("minidl/kernels/_compiled.*.so")
        self.objects = sorted(self.root.glob("build/temp*/**/*.o"))
        (flags,) = re.findall(r"^GCC_FLAGS = (\[.*\])$", (self.root / "setup.py").read_text(), re.MULTILINE)
        self.cc = [
            os.environ.get("CC", "cc"),
            *ast.literal_eval(flags),
            "-O1",
            "-w",
            "-fPIC",
            "-Icsrc",
        ]  # -O3 takes longer to compile
        where, here = "import minidl; print(minidl.__file__, *minidl.kernels._backend.instruction_sets())", self.root / "minidl"
        imported, *self.instruction_sets = self.run(sys.executable, "-c", where).split()
        assert Path(imported).parent == here, f"Python imports {imported}, not the copy in {here}"

    def run(self, *command, limit=900):
        """What the command prints. CalledProcessError where it fails, TimeoutExpired where it takes over `limit` seconds."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MINIDL_")}
        environment |= {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}  # a .pyc may be as old as the next fault
        process = subprocess.Popen(
            [*map(str, command)], cwd=self.root, env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        )  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=limit)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode:
            error = subprocess.CalledProcessError(process.returncode, command, printed)
            error.add_note(printed[-2000:])
            raise error
        return printed

    def test(self, name, limit=900):
        tests = TESTS[max((beginning for beginning in TESTS if name.startswith(beginning)), key=len)].split()
        if name.startswith("csrc/"):
            self.run("./core", limit=limit)
        own_examples = [name] if name.endswith(".py") else []
        self.run(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *own_examples, *tests, limit=limit)

    def build(self, name):
        """Compile what depends on this C file, and link it with the rest: the kernels, and the program of tests/c."""
        objects = {path.stem: path for path in self.objects}
        for source in sorted(sources(self.root, ["csrc/"], self.instruction_sets)):
            if source.endswith(".c") and name in self.run(*self.cc, "-MM", source).split():
                objects[Path(source).stem] = changed = self.root / Path(source).with_suffix(".o").name
                self.run(*self.cc, "-c", source, "-o", changed)
        self.run(*self.cc, "-shared", *objects.values(), "-o", self.library, "-lm")
        del objects["_compiled"]
        # The program counts and refuses the core's requests for memory itself: see scarce_malloc there.
        own = ["-Dmalloc=__real_malloc", "-Dfree=__real_free", "-Wl,--wrap=malloc,--wrap=free"]
        own.append("-Wl,--defsym=__wrap_malloc=scarce_malloc,--defsym=__wrap_free=scarce_free")
        self.run(*self.cc, "tests/c/core.c", *objects.values(), *own, "-o", "core", "-lm")

    def outcome(self, name, fault, limit):
        path = self.root / name
        original, library = path.read_bytes(), self.library.read_bytes()
        text = original.decode("latin-1")
        path.write_bytes((text[: fault.begin] + fault.new + text[fault.end :]).encode("latin-1"))
        try:
            if name.startswith("csrc/"):
                try:
                    self.build(name)
                except subprocess.CalledProcessError:
                    return "not compiled"
            self.test(name, limit)
            return "survived"
        except subprocess.CalledProcessError:
            return "noticed"
        except subprocess.TimeoutExpired:
            return "noticed, by the clock"
        finally:
            path.write_bytes(original)
            self.library.write_bytes(library)


# What is told about it


def line_of(text, fault):
    begin, end = text.rfind("\n", 0, fault.begin) + 1, (text + "\n").index("\n", fault.end)
    return text.count("\n", 0, fault.begin) + 1, begin, end


def told(name, text, fault):
    number, begin, end = line_of(text, fault)
    before, after = text[begin:end], text[begin : fault.begin] + fault.new + text[fault.end : end]
    mark = "  (speed only?)" if SPEED.search(before) else ""
    lines = [f"{sign} {line.strip()}" for sign, part in (("-", before), ("+", after)) for line in part.splitlines()]
    return "\n  ".join([f"{name}:{number}{mark}", *lines]).encode("latin-1").decode()


def sources(root, only, instruction_sets):
    """The text of each file there that may get a fault, by its name."""
    found = [path for pattern in ("minidl/**/*.py", "csrc/*.[ch]") for path in sorted(root.glob(pattern))]
    names = [path.relative_to(root).as_posix() for path in found]
    elsewhere = {f"csrc/isa_{isa}.c" for isa in ("generic", "avx2", "avx512", "neon")} - {
        f"csrc/isa_{i}.c" for i in instruction_sets
    }
    names = [name for name in names if name not in SKIPPED | elsewhere and name.startswith(tuple(only))]
    return {name: (root / name).read_bytes().decode("latin-1") for name in names}


def draw(rng, texts, count):
    """Faults on `count` different lines (fewer where there are fewer), each line as likely as the others."""
    lines = {}
    for name, text in texts.items():
        for fault in python_faults(text) if name.endswith(".py") else c_faults(text):
            lines.setdefault((name, line_of(text, fault)[0]), []).append(fault)
    for line in rng.sample(sorted(lines), min(count, len(lines))):
        yield line[0], rng.choice(lines[line])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="how many faults")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faults")
    parser.add_argument("--only", nargs="+", default=[""], metavar="PATH", help="beginnings of the names of the files meant")
    parser.add_argument("--out", type=Path, required=True, help="the file that the survivors are written to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, options.out.open("w") as out:
        copy = Copy(folder)
        texts = sources(copy.root, options.only, copy.instruction_sets)  # not ROOT's, which may change meanwhile
        faults = list(draw(random.Random(options.seed), texts, options.count))
        limits, outcomes = {}, Counter()
        for name, fault in tqdm(faults, smoothing=0):
            if name not in limits:
                if name.startswith("csrc/"):
                    copy.build(name)
                start = time.monotonic()
                copy.test(name)  # without a fault
                limits[name] = 3 * (time.monotonic() - start) + 30
            outcome = copy.outcome(name, fault, limits[name])
            outcomes[outcome] += 1
            if outcome == "survived":
                print(told(name, texts[name], fault), file=out, flush=True)
        print(f"seed {options.seed}: " + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()), file=out)
    print(options.out.read_text(), end="")


if __name__ == "__main__":
    main()
