"""Builds the explorer's engine, docs/explore/explore.wasm: explore.c and what it calls in csrc/, as WebAssembly with SIMD.

    python -m pip install ziglang==0.17.1
    python tools/explorer.py            # builds; --check says whether the file is that of these sources, without a compiler

Beside the file lies the SHA-256 of all that goes into it, explore.sha256. `a * b + c` is rounded twice, as by the instruction
set "generic": WebAssembly has no fused multiply-add whose bits are the same on every machine.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = ROOT / "docs/explore"
BUILT, RECORDED = HOME / "explore.wasm", HOME / "explore.sha256"

# What the engine calls, and the one instruction set; explore.c itself is the one thread.
USED = ("cpu", "isa_generic", "sampling", "fused", "matmul", "optim", "summary")
UNUSED_HEADERS = ("convolution", "pooling", "program")  # so that a change there makes nothing stale
FLAGS = (
    "-target wasm32-wasi -mexec-model=reactor -msimd128 -std=gnu11 -O2 -s -ffp-contract=off -fno-math-errno -fno-trapping-math"
)


def sources() -> list[Path]:
    return [HOME / "explore.c", *(ROOT / f"csrc/{name}.c" for name in USED)]


def digest() -> str:
    """Of the sources, their headers and the flags, with the ends of lines as Unix has them; and of the built file."""
    total = hashlib.sha256(FLAGS.encode())
    headers = [path for path in sorted(ROOT.glob("csrc/*.h")) if not path.name.startswith(UNUSED_HEADERS)]
    for path in [*sources(), *headers]:
        total.update(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return hashlib.sha256(total.digest() + BUILT.read_bytes()).hexdigest()


def is_current() -> bool:
    return BUILT.exists() and RECORDED.exists() and RECORDED.read_text().strip() == digest()


def build() -> None:
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS.split(), "-Icsrc", "-o", str(BUILT)]
    subprocess.run([*command, *(str(path.relative_to(ROOT)) for path in sources())], cwd=ROOT, check=True)
    RECORDED.write_text(digest() + "\n")
    print(f"{BUILT.relative_to(ROOT)}: {BUILT.stat().st_size:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="build nothing; exit status 1 where the file is stale")
    if not parser.parse_args().check:
        build()
    elif not is_current():
        sys.exit("docs/explore/explore.wasm is not that of its sources: run python tools/explorer.py")


if __name__ == "__main__":
    main()
