#!/usr/bin/env bash
# Builds the C core's own test program, tests/c/core.c, and runs it: under sanitizers, and on processors that are not here.
#
#   bash tools/check_core.sh MODE...
#
#   native    gcc, and clang where it is installed, with setup.py's flags, without optimization and at -O2
#   asan      AddressSanitizer and UndefinedBehaviorSanitizer: reads and writes past an end, undefined behaviour
#   tsan      ThreadSanitizer: races between threads
#   valgrind  memory that is read before it is written; needs: apt-get install valgrind (too slow for the Python tests,
#             where it also complains about Python itself)
#   model     the protocol of threads.c in every order of events, tests/c/threads.pml; needs: apt-get install spin
#   kernels   the Python tests in tests/kernels in place of the program, the extension built with asan's two sanitizers;
#             needs: pip install -e ".[dev]" (MINIDL_FUZZ: see tests/kernels/test_fuzz.py)
#   aarch64   ARM with NEON, emulated; needs: apt-get install gcc-aarch64-linux-gnu qemu-user
#   s390x     a big-endian processor, emulated; needs: apt-get install gcc-s390x-linux-gnu qemu-user
#
# The hashes that it prints are those of every machine. Exit status: 0 where all is well, 2 where a mode or a tool is missing,
# another where a test fails.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

flags=$(sed -n 's/^GCC_FLAGS = \[\(.*\)\]/\1/p' setup.py | tr -d '",')
test -n "$flags"
flags+=" -Wall -Wextra -Werror=incompatible-pointer-types" # the last one: no entry of a table for another, see isa.h

needs() { # a tool, its Debian package
    command -v "$1" > "$scratch/where" || { echo "$1 is missing: apt-get install $2" >&2; exit 2; }
}

build() { # compiler and more flags; later ones win
    echo "== $*"
    local compiler=$1
    shift
    printf '%s\0' "$PWD"/csrc/*.c \
        | (cd "$scratch" && xargs -0 -n 1 -P 4 "$compiler" $flags "$@" -Dmalloc=scarce_malloc -Dfree=scarce_free -c)
    "$compiler" $flags "$@" -Icsrc tests/c/core.c "$scratch"/*.o -o "$scratch/core" -lm
}

check() {
    case $1 in
    native)
        needs gcc gcc
        for compiler in gcc clang; do
            command -v $compiler > "$scratch/where" || continue
            for level in -O3 -O0 -O2; do
                build $compiler $level
                "$scratch/core"
            done
        done
        ;;
    asan)
        needs gcc gcc
        build gcc -O1 -DCALLS=10000 -fsanitize=address,undefined -fno-sanitize-recover=all
        "$scratch/core"
        ;;
    tsan)
        needs gcc gcc
        build gcc -O1 -DCALLS=3000 -fsanitize=thread
        TSAN_OPTIONS="halt_on_error=1 die_after_fork=0" "$scratch/core"
        ;;
    valgrind)
        needs gcc gcc
        needs valgrind valgrind
        build gcc -O1 -DCALLS=300
        valgrind --quiet --fair-sched=try --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite "$scratch/core"
        ;;
    model)
        needs gcc gcc
        needs spin spin
        for fault in "" -DSEPARATE_COUNT; do # with it, the fault must be found
            echo "== model of threads.c $fault"
            (
                cd "$scratch"
                spin -a $fault "$OLDPWD/tests/c/threads.pml"
                gcc -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c
                ./pan -m100000 | tee pan.out | grep -E "errors:|states, stored|assertion violated|invalid end state "
                grep -q "errors: $([ -z "$fault" ] && echo 0 || echo 1)$" pan.out
            )
        done
        ;;
    kernels)
        needs gcc gcc
        echo "== tests/kernels under sanitizers"
        cp -r csrc minidl tests tools conftest.py pyproject.toml setup.py README.md LICENSE "$scratch"
        (
            cd "$scratch"
            rm -f minidl/kernels/*.so
            sed -i 's/"-O3"/"-O1"/' setup.py
            export CC=gcc LDFLAGS=-fsanitize=address,undefined
            export CFLAGS="-g $LDFLAGS -fno-sanitize-recover=all"
            python setup.py -q build_ext --inplace
            # Python keeps what it allocated. Some tests ask for more memory than there is, which is then said here and there.
            export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
            LD_PRELOAD=$(gcc -print-file-name=libasan.so) python -m pytest -q --capture=sys -p no:cacheprovider tests/kernels
        )
        ;;
    aarch64 | s390x)
        needs "$1-linux-gnu-gcc" "gcc-$1-linux-gnu"
        needs "qemu-$1" qemu-user
        build "$1-linux-gnu-gcc" -DCALLS=1000 -DEMULATED -static
        "qemu-$1" "$scratch/core"
        ;;
    *)
        echo "no mode $1; see --help" >&2
        exit 2
        ;;
    esac
}

if [ $# = 0 ] || [ "$1" = --help ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit
fi
for mode; do
    check "$mode"
done
