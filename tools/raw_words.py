"""Writes the raw words of Philox streams to stdout forever, for test batteries that read bits from a pipe.

    python tools/raw_words.py [STREAM ...] | dieharder -a -g 200

A STREAM is a seed below 2^64 (0 unless given), or a seed and a name, as in 0:0.weight. Of several streams it writes the first
word of each in turn, then the second of each, and so on: so a battery sees whether streams depend on one another. The whole
of dieharder takes an hour or more; `-d N` in place of `-a` runs one test.
"""

import argparse
import sys

import numpy as np

from minidl import kernels
from minidl.random import Generator

WORDS = 1 << 18


def stream(text):
    """The two words of the Philox key of SEED or SEED:NAME."""
    seed, colon, name = text.partition(":")
    rng = Generator(int(seed, 0))
    if colon:
        rng = rng.stream(name)
    return rng.seed & 0xFFFFFFFF, rng.seed >> 32


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("streams", nargs="*", type=stream, metavar="STREAM", default=[stream("0")])
keys = parser.parse_args().streams
counter = 0
try:
    while True:
        four = [counter >> 32 * i & 0xFFFFFFFF for i in range(4)]
        words = np.stack([kernels.philox(key, four, WORDS) for key in keys], axis=1)
        sys.stdout.buffer.write(words.astype("<u4").tobytes())
        counter += WORDS // 4  # a counter makes four words
except BrokenPipeError:  # the reader has seen enough
    sys.stderr.close()  # Python would complain once more on its way out
