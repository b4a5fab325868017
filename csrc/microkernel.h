/* microkernel.h: the template of the micro-kernel, which is the innermost block of matmul, and of packing; each
 * isa_*.c includes it once per precision.
 *
 * The includer defines SUFFIX, REAL, INDEX (an integer as long), VEC, LANES (REALs in a VEC), the largest tile (MR
 * rows, NV vectors), the vector operations, and LOW_HALVES and HIGH_HALVES: the places of a0 b0 a1 b1 ... in the two
 * vectors a b, from their first and from their second halves. The tile of C stays in registers while k runs: for each
 * k one column of A (a number a row) meets one row of B (NV vectors). Every element is one chain of multiply-adds over
 * k from 0, to which, at the end, what C holds so far is added. The five loops around it are in matmul_loops.h. */
#include "isa.h"
#include "template.h"

#include <string.h>

/* Sanitizers check every access, and compile for minutes where loops are unrolled. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNROLL(n)
#else
#define PRAGMA(text) _Pragma(#text)
#define UNROLL(n) PRAGMA(GCC unroll n)
#endif

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
/* places_f32, places_f64 */
typedef INDEX NAME(places) __attribute__((vector_size(LANES * sizeof(REAL))));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(places)){__VA_ARGS__})
#endif

/* tile_f32, tile_f64 */
static inline __attribute__((always_inline)) void NAME(tile)(const size_t rows, const size_t vectors, const int scattered, size_t k,
                                                             const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                                                             ptrdiff_t b_row, const ptrdiff_t *places, const ptrdiff_t *at,
                                                             const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column,
                                                             REAL *c, ptrdiff_t c_row)
{
    const REAL *from[ROW_VECTORS], *of[MR];
    VEC sum[MR][ROW_VECTORS];
UNROLL(8)
    for (size_t j = 0; j < vectors; j++)
        from[j] = b + (scattered == ROWS_OF_B ? at[j] : (ptrdiff_t)(j * LANES));
UNROLL(16)
    for (size_t i = 0; i < rows; i++)
        of[i] = a + (scattered > ROWS_OF_B ? at[i] : 0);
UNROLL(16)
    for (size_t i = 0; i < rows; i++)
UNROLL(8)
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = BROADCAST(0);

UNROLL(4)
    for (size_t p = 0; p < k; p++, a += a_column) {
        ptrdiff_t place = scattered ? places[p] : 0;
        ptrdiff_t row_place = scattered == STEPS || scattered == ROWS_OF_B ? place : (ptrdiff_t)p * b_row;
        const REAL *column = scattered == STEPS ? a + at[p] : a;
        VEC row[ROW_VECTORS];
UNROLL(8)
        for (size_t j = 0; j < vectors; j++)
            row[j] = LOAD(from[j] + row_place);
UNROLL(16)
        for (size_t i = 0; i < rows; i++) {
            const REAL *number = scattered > ROWS_OF_B ? of[i] + place : column + (ptrdiff_t)i * a_row;
            VEC element = scattered == VECTORS_OF_A ? LOAD(number) : BROADCAST(*number);
UNROLL(8)
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] = FMA(element, row[j], sum[i][j]);
        }
    }

    if (added)
UNROLL(16)
        for (size_t i = 0; i < rows; i++)
UNROLL(8)
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] += added_column ? LOAD(added + (ptrdiff_t)i * added_row + j * LANES) : BROADCAST(added[(ptrdiff_t)i * added_row]);
UNROLL(16)
    for (size_t i = 0; i < rows; i++)
UNROLL(8)
        for (size_t j = 0; j < vectors; j++)
            STORE(c + (ptrdiff_t)i * c_row + j * LANES, sum[i][j]);
}

/* run_f32, run_f64: calls the tile that was compiled for this many rows and vectors. */
static void NAME(run)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                      ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column, REAL *c, ptrdiff_t c_row)
{
#define CASE(r, v)                                                                                                               \
    case 16 * r + v:                                                                                                             \
        if (v <= (r == 1 ? ROW_VECTORS : r <= MR ? NV : 0))                                                                      \
            NAME(tile)(r, v, IN_STRIDES, k, a, a_row, a_column, b, b_row, NULL, NULL, added, added_row, added_column, c, c_row); \
        break;
#define CASES(r) CASE(r, 1) CASE(r, 2) CASE(r, 3) CASE(r, 4)
#define ALL_CASES                                        \
    CASES(1) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) \
    CASES(2) CASES(3) CASES(4) CASES(5) CASES(6) CASES(7) CASES(8)
    switch (16 * rows + vectors) {
        ALL_CASES
    }
#undef CASE
}

/* filter_f32, filter_f64: the same for B that is scattered; fewer rows have more vectors. */
static void NAME(filter)(size_t rows, size_t vectors, size_t k, const REAL *a, const REAL *b, const ptrdiff_t *places,
                         const ptrdiff_t *at, const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column, REAL *c, ptrdiff_t c_row)
{
#define CASE(r, v)                                                                                                          \
    case 16 * r + v:                                                                                                        \
        if (r <= MR && r * v <= MR * NV)                                                                                    \
            NAME(tile)(r, v, ROWS_OF_B, k, a, 1, (ptrdiff_t)r, b, 0, places, at, added, added_row, added_column, c, c_row); \
        break;
    switch (16 * rows + vectors) {
        ALL_CASES
    }
#undef CASE
}

/* correlate_f32, correlate_f64: the same for A that is scattered. */
static void NAME(correlate)(size_t rows, size_t vectors, size_t k, const REAL *a, const ptrdiff_t *places, const ptrdiff_t *at,
                            const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, REAL *c, ptrdiff_t c_row)
{
#define CASE(r, v)                                                                                            \
    case 16 * r + v:                                                                                          \
        if (r <= MR && v <= NV)                                                                               \
            NAME(tile)(r, v, ELEMENTS_OF_A, k, a, 0, 0, b, b_row, places, at, added, added_row, 1, c, c_row); \
        break;
    switch (16 * rows + vectors) {
        ALL_CASES
    }
#undef CASE
}

/* gather_f32, gather_f64: the same where the steps of the depth are scattered. */
static void NAME(gather)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, const ptrdiff_t *at, const REAL *b,
                         const ptrdiff_t *places, const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column, REAL *c,
                         ptrdiff_t c_row)
{
#define CASE(r, v)                                                                                               \
    case 16 * r + v:                                                                                             \
        if (r <= MR && v <= NV)                                                                                  \
            NAME(tile)(r, v, STEPS, k, a, a_row, 0, b, 0, places, at, added, added_row, added_column, c, c_row); \
        break;
    switch (16 * rows + vectors) {
        ALL_CASES
    }
#undef CASE
#undef CASES
#undef ALL_CASES
}

/* correlate_each_f32, correlate_each_f64: the same for A of vectors. */
static void NAME(correlate_each)(size_t rows, size_t k, const REAL *a, const ptrdiff_t *places, const ptrdiff_t *at,
                                 const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, REAL *c, ptrdiff_t c_row)
{
#define CASE(r)                                                                                              \
    case r:                                                                                                  \
        if (r <= MR)                                                                                         \
            NAME(tile)(r, 1, VECTORS_OF_A, k, a, 0, 0, b, b_row, places, at, added, added_row, 1, c, c_row); \
        break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
    }
#undef CASE
}

/* dot_group_f32, dot_group_f64: one row times `columns` contiguous columns, each b_column after the one before. Here
 * vectors run along k: every element is made of CHAINS chains, one for each k modulo CHAINS, which are then added by
 * halves. The bits are those of every instruction set, but not those of `run`. */
static inline __attribute__((always_inline)) void NAME(dot_group)(const size_t columns, size_t k, const REAL *a, const REAL *b,
                                                                  ptrdiff_t b_column, REAL *c, ptrdiff_t c_column)
{
    enum { CHAINS = DOT_BYTES / sizeof(REAL), VECTORS = CHAINS / LANES };
    VEC sum[DOT_SUMS / VECTORS][VECTORS];
UNROLL(8)
    for (size_t j = 0; j < columns; j++)
UNROLL(8)
        for (size_t v = 0; v < VECTORS; v++)
            sum[j][v] = BROADCAST(0);

    size_t p = 0, rest = k % CHAINS;
    for (; p < k - rest; p += CHAINS)
UNROLL(8)
        for (size_t v = 0; v < VECTORS; v++)
UNROLL(8)
            for (size_t j = 0; j < columns; j++)
                sum[j][v] = FMA(LOAD(a + p + v * LANES), LOAD(b + (ptrdiff_t)j * b_column + (ptrdiff_t)(p + v * LANES)), sum[j][v]);
UNROLL(8)
    for (size_t v = 0; v < VECTORS; v++, p += LANES) {
        if (p + LANES > k)
            break;
UNROLL(8)
        for (size_t j = 0; j < columns; j++)
            sum[j][v] = FMA(LOAD(a + p), LOAD(b + (ptrdiff_t)j * b_column + (ptrdiff_t)p), sum[j][v]);
    }

UNROLL(8)
    for (size_t j = 0; j < columns; j++) {
        REAL chain[CHAINS];
        for (size_t v = 0; v < VECTORS; v++)
            STORE(chain + v * LANES, sum[j][v]);
        for (size_t q = p; q < k; q++) {
            VEC last = FMA(BROADCAST(a[q]), BROADCAST(b[(ptrdiff_t)j * b_column + (ptrdiff_t)q]), BROADCAST(chain[q % CHAINS]));
            memcpy(chain + q % CHAINS, &last, sizeof *chain);
        }
UNROLL(8)
        for (size_t half = CHAINS / 2; half; half /= 2)
            for (size_t i = 0; i < half; i++)
                chain[i] += chain[i + half];
        c[(ptrdiff_t)j * c_column] = chain[0];
    }
}

/* dots_f32, dots_f64 */
static void NAME(dots)(size_t columns, size_t k, const REAL *a, const REAL *b, ptrdiff_t b_column, REAL *c, ptrdiff_t c_column)
{
    enum { GROUP = DOT_SUMS * LANES * sizeof(REAL) / DOT_BYTES };
    for (; columns >= GROUP; columns -= GROUP, b += GROUP * b_column, c += GROUP * c_column)
        NAME(dot_group)(GROUP, k, a, b, b_column, c, c_column);
    for (; columns; columns--, b += b_column, c += c_column)
        NAME(dot_group)(1, k, a, b, b_column, c, c_column);
}

/* transpose_f32, transpose_f64: turns `rows` rows of LANES numbers into columns, with zeros in place of the rows from
 * `rows` on. With L = LANES: interleaving row i and row i + L/2 gives rows 2 i and 2 i + 1; after log2 L such shuffles
 * every number is where it belongs. */
static inline void NAME(transpose)(size_t rows, const REAL *from, ptrdiff_t from_row, REAL *to, ptrdiff_t to_row)
{
    VEC x[LANES], y[LANES];
    for (size_t i = 0; i < LANES; i++)
        x[i] = i < rows ? LOAD(from + (ptrdiff_t)i * from_row) : BROADCAST(0);
UNROLL(4)
    for (int stage = 1; stage < LANES; stage *= 2) {
UNROLL(8)
        for (size_t i = 0; i < LANES / 2; i++) {
            y[2 * i] = SHUFFLE(x[i], x[i + LANES / 2], LOW_HALVES);
            y[2 * i + 1] = SHUFFLE(x[i], x[i + LANES / 2], HIGH_HALVES);
        }
UNROLL(16)
        for (size_t i = 0; i < LANES; i++)
            x[i] = y[i];
    }
UNROLL(16)
    for (size_t i = 0; i < LANES; i++)
        STORE(to + (ptrdiff_t)i * to_row, x[i]);
}

/* unpack_f32, unpack_f64: undoes `pack`, for one micro-panel. */
static void NAME(unpack)(size_t length, size_t depth, size_t width, const REAL *packed, REAL *x, ptrdiff_t x_row)
{
    const size_t rows = length / LANES * LANES, columns = depth / LANES * LANES; /* in whole squares */
    for (size_t i = 0; i < rows; i += LANES)
        for (size_t p = 0; p < columns; p += LANES)
            NAME(transpose)(LANES, packed + p * width + i, (ptrdiff_t)width, x + (ptrdiff_t)i * x_row + (ptrdiff_t)p, x_row);
    for (size_t i = 0; i < length; i++)
        for (size_t p = i < rows ? columns : 0; p < depth; p++)
            x[(ptrdiff_t)i * x_row + (ptrdiff_t)p] = packed[p * width + i];
}

/* pack_columns_f32, pack_columns_f64: of a matrix with contiguous columns. Whole vectors are moved, and reach into the
 * next place where the width is not theirs; that is filled later. */
static void NAME(pack_columns)(size_t length, size_t depth, size_t width, const REAL *x, ptrdiff_t x_column, REAL *out)
{
    for (size_t begin = 0, end; begin < depth; begin = end) {
        end = depth - begin < PACKED_AT_ONCE ? depth : begin + PACKED_AT_ONCE;
        for (size_t i = 0; i < length; i += width)
            for (size_t p = begin; p < end; p++) {
                const REAL *from = x + (ptrdiff_t)p * x_column + (ptrdiff_t)i;
                REAL *to = out + i * depth + p * width;
                size_t rows = length - i < width ? length - i : width, r = 0;
                for (; r < rows && i + r + LANES <= length && (r + LANES <= width || p + 1 < depth); r += LANES)
                    STORE(to + r, LOAD(from + r));
                for (; r < rows; r++)
                    to[r] = from[r];
                for (; r % LANES && r < width; r++)
                    to[r] = 0;
            }
    }
}

/* pack_f32, pack_f64: drawn in isa.h. Where rows are contiguous, squares of them are turned in registers; again, whole
 * vectors may reach into the next place, or past the end. */
static void NAME(pack)(size_t length, size_t depth, size_t width, const REAL *x, ptrdiff_t x_row, ptrdiff_t x_column, REAL *out)
{
    if (x_row == 1) {
        NAME(pack_columns)(length, depth, width, x, x_column, out);
        return;
    }
    for (size_t i = 0; i < length; i += width, x += (ptrdiff_t)width * x_row, out += width * depth) {
        size_t rows = length - i < width ? length - i : width, whole = x_column == 1 ? depth / LANES * LANES : 0;
        for (size_t r = whole ? (rows + LANES - 1) / LANES * LANES : 0; r; r -= LANES) { /* the last first */
            size_t begin = r - LANES, n = rows - begin < LANES ? rows - begin : LANES;
            for (size_t p = 0; p < whole; p += LANES)
                NAME(transpose)(n, x + (ptrdiff_t)begin * x_row + (ptrdiff_t)p, x_row, out + p * width + begin, (ptrdiff_t)width);
        }
        for (size_t p = whole; p < depth; p++)
            for (size_t r = 0; r < width; r++)
                out[p * width + r] = r < rows ? x[(ptrdiff_t)r * x_row + (ptrdiff_t)p * x_column] : 0;
    }
}

/* unfold_row_f32, unfold_row_f64: `run` places that are neighbours in a row of the output, and `taps` neighbours in a row
 * of the kernel: out[l * width + p] is number before + l dilation + p step of a row of the image, whose numbers from `low`
 * to `high` can be read. Where steps are 1, whole vectors are moved: up to `room` numbers, of which those after the run are
 * filled later, and those outside of the image become 0. */
static inline void NAME(unfold_row)(const REAL *row, ptrdiff_t inside, ptrdiff_t low, ptrdiff_t high, ptrdiff_t before,
                                    ptrdiff_t step, ptrdiff_t dilation, size_t taps, size_t run, size_t room, size_t width, REAL *out)
{
    const ptrdiff_t moved = step != 1 ? 0 : (ptrdiff_t)(run + LANES - 1 <= room ? run : run / LANES * LANES);
    for (; taps; taps--, before += dilation, out += width) {
        ptrdiff_t p = 0;
        if (before >= low && before + moved + LANES <= high) {
            for (; p < moved; p += LANES)
                STORE(out + p, LOAD(row + before + p));
            if (before < 0)
                for (ptrdiff_t q = 0; q < -before && q < moved; q++)
                    out[q] = 0;
            if (before + moved > inside)
                for (ptrdiff_t q = before > inside ? 0 : inside - before; q < moved; q++)
                    out[q] = 0;
            p = moved;
        }
        for (; p < (ptrdiff_t)run; p++) {
            ptrdiff_t at = before + p * step;
            out[p] = (size_t)at < (size_t)inside ? row[at] : 0;
        }
    }
}

/* unfold_f32, unfold_f64: explained in isa.h. Channel by channel, so that what all places have of it is still in the
 * cache, and run by run of places. */
static void NAME(unfold)(const patches *x, const REAL *data, size_t i, size_t depth, size_t j, size_t length, size_t width,
                         REAL *out)
{
    const size_t kernel = x->kernel[1], taps = x->kernel[0] * kernel, line = j / x->out[1];
    const size_t first_a = line % x->out[0], first_b = j % x->out[1];
    const ptrdiff_t first_image = (ptrdiff_t)(line / x->out[0]) * x->image;
    for (size_t r = 0, n; r < depth; r += n) {
        size_t tap = (i + r) % taps, first_t = tap / kernel, first_l = tap % kernel, a = first_a, b = first_b, room = width, run;
        const REAL *channel = data + (ptrdiff_t)((i + r) / taps) * x->channel + first_image;
        REAL *to = out + r * width;
        n = taps - tap < depth - r ? taps - tap : depth - r;
        for (size_t q = 0; q < length; q += run) {
            run = x->out[1] - b < room ? x->out[1] - b : room;
            run = run < length - q ? run : length - q;
            ptrdiff_t above = (ptrdiff_t)a * x->stride[0] - x->padding[0] + (ptrdiff_t)first_t * x->dilation[0];
            ptrdiff_t before = (ptrdiff_t)b * x->stride[1] - x->padding[1];
            __builtin_prefetch(channel + x->channel + (above + ((ptrdiff_t)x->kernel[0] - 1) * x->dilation[0]) * x->row + before);
            for (size_t done = 0, l = first_l, some; done < n; done += some, l = 0, above += x->dilation[0]) {
                const REAL *row = channel + above * x->row;
                some = kernel - l < n - done ? kernel - l : n - done;
                NAME(unfold_row)(row, (size_t)above < x->height ? (ptrdiff_t)x->width : 0, data - row,
                                 data - row + (ptrdiff_t)x->size, before + (ptrdiff_t)l * x->dilation[1], x->stride[1],
                                 x->dilation[1], some, run, room, width, to + done * width);
            }
            to += run;
            if (!(room -= run)) {
                room = width;
                to += (depth - 1) * width;
            }
            if ((b += run) == x->out[1]) {
                b = 0;
                if (++a == x->out[0]) {
                    a = 0;
                    channel += x->image;
                }
            }
        }
    }
    REAL *last = out + length / width * width * depth;
    for (size_t r = 0; length % width && r < depth; r++)
        for (size_t q = length % width; q % LANES && q < width; q++)
            last[r * width + q] = 0;
}

/* own_microkernel_f32, own_microkernel_f64 */
static const NAME(microkernel) NAME(own_microkernel) = {
    .mr = MR,
    .nr = NV * LANES,
    .lanes = LANES,
    ENTRY(run),
    ENTRY(dots),
    ENTRY(pack),
    ENTRY(unfold),
    ENTRY(filter),
    ENTRY(correlate),
    ENTRY(correlate_each),
    ENTRY(gather),
    ENTRY(unpack),
};

#undef SUFFIX
#undef REAL
#undef VEC
#undef LANES
#undef MR
#undef NV
#undef LOAD
#undef STORE
#undef BROADCAST
#undef FMA
#undef INDEX
#undef WORD
#undef LOW_HALVES
#undef HIGH_HALVES
#undef SHUFFLE
