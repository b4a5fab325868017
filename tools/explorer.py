"""Builds the explorer: its engine, docs/explore/explore.wasm, and the page that holds it, docs/explore/index.html.

    python -m pip install ziglang==0.17.1
    python tools/explorer.py            # builds what is stale; --check says whether anything is, without a compiler

The engine is explore.c and what it calls in csrc/, as WebAssembly with SIMD; `a * b + c` is rounded twice there, as by the
instruction set "generic", for WebAssembly has no fused multiply-add whose bits are the same on every machine. Beside it lies
the SHA-256 of all that goes into it, explore.sha256. The page is page.html with the three scripts, the engine and the digits in
it, so that it opens from a disk without a network; a change of a script alone needs no compiler.
"""

import argparse
import base64
import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
HOME = ROOT / "docs/explore"
ENGINE, RECORDED, PAGE = HOME / "explore.wasm", HOME / "explore.sha256", HOME / "index.html"

# What the engine calls, and the one instruction set; explore.c itself is the one thread.
USED = ("cpu", "isa_generic", "sampling", "fused", "matmul", "optim", "summary")
UNUSED_HEADERS = ("convolution", "pooling", "program")  # so that a change there makes nothing stale
FLAGS = (
    "-target wasm32-wasi -mexec-model=reactor -msimd128 -std=gnu11 -O2 -s -ffp-contract=off -fno-math-errno -fno-trapping-math"
)


def sources() -> list[Path]:
    return [HOME / "explore.c", *(ROOT / f"csrc/{name}.c" for name in USED)]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")  # with the ends of lines as Unix has them


def digest() -> str:
    """Of the engine's sources, their headers and the flags; and of the built file."""
    total = hashlib.sha256(FLAGS.encode())
    headers = [path for path in sorted(ROOT.glob("csrc/*.h")) if not path.name.startswith(UNUSED_HEADERS)]
    for path in [*sources(), *headers]:
        total.update(path.name.encode() + text_of(path).encode())
    return hashlib.sha256(total.digest() + ENGINE.read_bytes()).hexdigest()


def engine_is_current() -> bool:
    return ENGINE.exists() and RECORDED.exists() and RECORDED.read_text().strip() == digest()


def build_engine() -> None:
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS.split(), "-Icsrc", "-o", str(ENGINE)]
    subprocess.run([*command, *(str(path.relative_to(ROOT)) for path in sources())], cwd=ROOT, check=True)
    RECORDED.write_text(digest() + "\n")


def digits() -> bytes:
    """The training digits in the order of minidl.data.digits(): 64 bytes from 0 to 16 for each, and all classes behind."""
    from minidl import data

    x, y, *_ = data.digits()
    return (x * 16).astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes()


def script() -> str:
    """The three modules as one: a page that is opened from a disk may not import."""
    parts = [text_of(HOME / f"{name}.mjs") for name in ("network", "words", "page")]
    return re.sub(r"^(import .*\n|export )", "", "\n".join(parts), flags=re.MULTILINE)


def page(engine: str, images: str) -> str:
    """index.html, with the engine and the digits packed as they are given."""
    filled = script().replace("/*ENGINE*/", engine).replace("/*DIGITS*/", images)
    return text_of(HOME / "page.html").replace("/*SCRIPT*/", filled)


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def page_is_current() -> bool:
    """Whether index.html is made of what lies here. What is packed is compared unpacked, for zlibs pack differently."""
    if not PAGE.exists():
        return False
    found = re.search(r'const ENGINE = "([^"]*)",\s*DIGITS = "([^"]*)";', built := text_of(PAGE))
    if not found or page(*found.groups()) != built:
        return False
    unpacked = [gzip.decompress(base64.b64decode(part)) for part in found.groups()]
    return unpacked == [ENGINE.read_bytes(), digits()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="build nothing; exit status 1 where something is stale")
    if parser.parse_args().check:
        stale = [path.name for path, is_current in ((ENGINE, engine_is_current()), (PAGE, page_is_current())) if not is_current]
        sys.exit(f"not of its sources: {', '.join(stale)} in docs/explore; run python tools/explorer.py" if stale else 0)
    if not engine_is_current():
        build_engine()
    if not page_is_current():
        PAGE.write_text(page(packed(ENGINE.read_bytes()), packed(digits())), encoding="utf-8", newline="\n")
    for path in (ENGINE, PAGE):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
