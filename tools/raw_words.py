"""Writes the raw words of a Philox stream to stdout for ever, for test batteries that read bits from a pipe.

    python tools/raw_words.py [KEY] | dieharder -a -g 200

KEY is a number below 2^64 (0 unless given). The whole of dieharder takes an hour or so; `-d N` in place of `-a` runs one test.
"""

import argparse
import sys

from minidl import kernels

WORDS = 1 << 20

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("key", nargs="?", type=lambda text: int(text, 0) % 2**64, default=0)
key = parser.parse_args().key
counter = 0
try:
    while True:
        words = kernels.philox((key & 0xFFFFFFFF, key >> 32), [counter >> 32 * i & 0xFFFFFFFF for i in range(4)], WORDS)
        sys.stdout.buffer.write(words.astype("<u4").tobytes())
        counter += WORDS // 4  # a counter makes four words
except BrokenPipeError:  # the reader has seen enough
    sys.stderr.close()  # Python would complain once more on its way out
