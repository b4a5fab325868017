"""C for the benchmarks, compiled on the fly with the system's `cc`: the hardware's peak, the stages. Leaves out the timing."""

import ast
import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"


def setup_flags() -> list[str]:
    """Those that minidl itself is compiled with."""
    (flags,) = re.findall(r"^GCC_FLAGS = (\[.*\])$", (HERE.parent / "setup.py").read_text(), re.MULTILINE)
    return ast.literal_eval(flags)


def compile_c(sources: Sequence[Path], flags: Sequence[str]) -> ctypes.CDLL | None:
    """The sources as a library; None, and a word about it, where they cannot be compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("There is no C compiler (cc) here.")
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library.so"
        command = [compiler, *flags, "-shared", "-fPIC", f"-I{CSRC}", *map(str, sources), "-o", str(library), "-pthread", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{compiler} cannot compile {sources[0].name} here:\n{done.stderr}")
            return None
        return ctypes.CDLL(str(library))


class Peak(NamedTuple):
    """A loop of fused multiply-adds: it takes turns with what is measured. `flop` is how many operations a call makes."""

    loop: Callable[[], object]
    flop: float


def peaks(threads: int) -> dict[str, Peak]:
    """The loops for float32 and float64, all threads side by side; empty where they cannot be compiled."""
    flags = ["-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast"]
    library = compile_c([HERE / "peak.c", CSRC / "threads.c"], flags)
    if library is None:
        print("So the hardware's peak is not measured.")
        return {}
    result = {}
    for dtype in ("float32", "float64"):
        call = library[f"peak_{dtype}"]
        call.argtypes, call.restype = (ctypes.c_size_t, ctypes.c_size_t), ctypes.c_double
        loop = partial(call, 500_000, threads)  # some milliseconds
        result[dtype] = Peak(loop, loop())
    return result
