/* matmul.c: matrix multiplication for both precisions; the five loops themselves are in matmul_loops.h, the
 * micro-kernel inside them in microkernel.h. The layers are those of Goto and van de Geijn, "Anatomy of
 * high-performance matrix multiplication" (ACM TOMS 34, 2008), with the names of BLIS (Van Zee and van de Geijn, ACM
 * TOMS 41, 2015). */
#include "matmul.h"

#include "isa.h"
#include "threads.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The largest blocks, in elements: a KC-deep panel of B (NC wide) stays in the last caches, a block of A (MC x KC) in
 * the second, a micro-panel of B (KC x nr) in the first. */
enum { MC = 256, NC = 1024 };

/* Below this many multiply-adds a second thread costs more than it brings: in a network it has to fetch the operands
 * from the first one's cache, and the first one what it made. */
enum { WORK_PER_THREAD = 3 << 19 };

/* A is left unpacked if it has at most UNPACKED elements or meets at most UNPACKED_LENGTH columns of B; B, if its rows
 * are contiguous and meet at most UNPACKED_LENGTH rows of A, or ALIASED_LENGTH where its rows are a multiple of
 * ALIASED bytes apart: these fall into the same few places of every cache, and push each other out. */
enum { UNPACKED = 1 << 16, UNPACKED_LENGTH = 64, ALIASED_LENGTH = 16, ALIASED = 4096 };

/* This many micro-panels of B meet a micro-panel of A before the next one does, and are packed together where there is
 * no need for more: their rows are long enough to be read in order, and all of them stay in the second cache. */
enum { MICRO_PANELS = 4 };

enum { CACHE_LINE = 64 }; /* bytes */

/* At least mr * nr of every micro-kernel, and ROW_VECTORS * lanes. */
enum { LARGEST_TILE = 8 * 48, LARGEST_WIDTH = 8 * 16 };

/* This many places of the patches of a micro-panel of taps are copied before they are turned: some cache lines each. */
enum { TURNED_AT_ONCE = 64 };

static size_t least(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* The length of equal blocks of at most (about) `most`, in whole grains: without a short one at the end. */
static size_t block(size_t length, size_t most, size_t grain)
{
    size_t blocks = (length + most - 1) / most, each = (length + blocks - 1) / blocks;
    return (each + grain - 1) / grain * grain;
}

/* Whether patches are numbers of the images, and none of them a zero outside. */
static int are_numbers(const patches *x)
{
    int inside = 1;
    for (int i = 0; i < 2; i++)
        inside &= x->kernel[i] == 1 && x->padding[i] <= 0
            && (ptrdiff_t)(x->out[i] - 1) * x->stride[i] - x->padding[i] < (ptrdiff_t)(i ? x->width : x->height);
    return inside;
}

size_t chain_of(size_t k)
{
    return block(k, KC, 1);
}

size_t half_of(size_t k)
{
    return (k / 2 + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* How a product is made; plan_for in matmul_loops.h says why. */
typedef struct {
    size_t nc, kc, mc, group;                 /* how much the 5th, 4th, 3rd and 2nd loop take at a time */
    size_t mr, nr;                            /* a micro-panel has mr rows of A, or at most nr columns of B */
    size_t chain;                             /* how much of the depth is summed up in one chain */
    int pack_a;                               /* A is packed, or read where it lies */
    enum { IN_PLACE, GROUPS, PANELS } pack_b; /* B is read where it lies, or packed in the 2nd loop, or in the 4th */
    size_t a_size, b_size;                    /* of the buffers, in numbers */
} plan;

#define SUFFIX f32
#define REAL float
#include "matmul_loops.h"

#define SUFFIX f64
#define REAL double
#include "matmul_loops.h"
