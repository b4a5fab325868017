/* isa.h: the table of what each instruction set brings: a micro-kernel for matmul, the vector loops of sampling,
 * summaries, the fused kernels and the rules of optimizers.
 *
 * One small file per instruction set (isa_generic.c, isa_avx2.c, isa_avx512.c, isa_neon.c) fills one table; cpu.c
 * chooses among them at run time, so that one binary runs on every processor of its architecture. */
#ifndef MINIDL_ISA_H
#define MINIDL_ISA_H

#include "fused.h"
#include "optim.h"
#include "patches.h"
#include "summary.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t k0, k1;
} philox_key;

/* The words that are made at once: those of 16 counters. */
enum { PHILOX_GROUP = 64 };

/* What matmul takes from an instruction set; the functions are in microkernel.h.
 *
 * `run` makes a tile of C of at most mr rows and nr columns (or of one row and ROW_VECTORS vectors): C = A B + added,
 * or A B where added is NULL, with A of any strides and unit column stride in the others. `dots` multiplies one row of
 * A with contiguous columns of B.
 *
 * `pack` copies a length x depth matrix into micro-panels of `width` rows (mr, or some whole vectors), each of them
 * column after column, as `run` reads A:
 *
 *           p = 0 1 2                       width = 4, lanes = 2, length = 5, depth = 3
 *     i = 0     a b c
 *         1     d e f            micro-panel 0:  a d g j  b e h k  c f i l
 *         2     g h i    pack    micro-panel 1:  m 0 . .  n 0 . .  o 0 . .
 *         3     j k l   ----->                   '-p=0-'  '-p=1-'  '-p=2-'
 *         4     m n o
 *                                element (i, p) goes to out[i / width * width * depth + p * width + i % width]
 *
 * In the last micro-panel zeros fill up the last vector that has an element. A dot may be anything: `run` does not read
 * it. `pack` may write up to `lanes` numbers past the end. B is packed by it too, seen transposed: into micro-panels of
 * `width` columns, each of them row after row.
 *
 * `unfold` is the same for `length` places of a matrix of patches (patches.h) from place j on, with `depth` taps from
 * tap i on.
 *
 * `unpack` copies one micro-panel of up to `width` rows back to a matrix with contiguous rows.
 *
 * Four more find operands by tables of offsets, as patches in padded images stand: `filter` is `run` for packed A,
 * with ROWS_OF_B, of up to mr * nr numbers, in at most 4 vectors, or ROW_VECTORS of one row; `correlate` has
 * ELEMENTS_OF_A; `correlate_each` VECTORS_OF_A, for one vector of columns; `gather` STEPS. Where added_column is 0,
 * `added` is one number for each row. */
enum { ROW_VECTORS = 8 };

/* How a tile finds its operands: by strides alone; or column p of A from a[at[p]] on, and row p of B from b[places[p]] on; or
 * vector j of row p of B at b[places[p] + at[j]]; or element (i, p) of A at a[places[p] + at[i]]; or a vector there, each
 * lane of which meets one of B. */
enum { IN_STRIDES, STEPS, ROWS_OF_B, ELEMENTS_OF_A, VECTORS_OF_A };

/* `pack` takes this many contiguous columns at a time, for all micro-panels: each of these gets a few lines of cache
 * in order. */
enum { PACKED_AT_ONCE = 8 };

/* `dots` has DOT_BYTES of chains for each element, and DOT_SUMS vectors of them at once. */
enum { DOT_BYTES = 128, DOT_SUMS = 8 };

#define MICROKERNEL(REAL)                                                                                                  \
    struct {                                                                                                               \
        size_t mr, nr, lanes;                                                                                              \
        void (*run)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column,             \
                    const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column,        \
                    REAL *c, ptrdiff_t c_row);                                                                             \
        void (*dots)(size_t columns, size_t k, const REAL *a, const REAL *b, ptrdiff_t b_column, REAL *c, ptrdiff_t c_column); \
        void (*pack)(size_t length, size_t depth, size_t width, const REAL *x, ptrdiff_t x_row, ptrdiff_t x_column,        \
                     REAL *out);                                                                                           \
        void (*unfold)(const patches *x, const REAL *data, size_t i, size_t depth, size_t j, size_t length, size_t width,  \
                       REAL *out);                                                                                         \
        void (*filter)(size_t rows, size_t vectors, size_t k, const REAL *a, const REAL *b, const ptrdiff_t *places,       \
                       const ptrdiff_t *at, const REAL *added, ptrdiff_t added_row, ptrdiff_t added_column, REAL *c,       \
                       ptrdiff_t c_row);                                                                                   \
        void (*correlate)(size_t rows, size_t vectors, size_t k, const REAL *a, const ptrdiff_t *places,                   \
                          const ptrdiff_t *at, const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row,     \
                          REAL *c, ptrdiff_t c_row);                                                                       \
        void (*correlate_each)(size_t rows, size_t k, const REAL *a, const ptrdiff_t *places, const ptrdiff_t *at,         \
                               const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, REAL *c,            \
                               ptrdiff_t c_row);                                                                           \
        void (*gather)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, const ptrdiff_t *at,         \
                       const REAL *b, const ptrdiff_t *places, const REAL *added, ptrdiff_t added_row,                     \
                       ptrdiff_t added_column, REAL *c, ptrdiff_t c_row);                                                  \
        void (*unpack)(size_t length, size_t depth, size_t width, const REAL *packed, REAL *x, ptrdiff_t x_row);           \
    }
typedef MICROKERNEL(float) microkernel_f32;
typedef MICROKERNEL(double) microkernel_f64;

/* A part of a stream: n samples whose first begins at word `position`. */
typedef struct {
    philox_key key;
    uint64_t position;
    size_t n;
} draw;

/* What is drawn from. Uniform: [low, high). Normal: mean + std * quantile(p), kept in [low, high], where p is uniform
 * on [p_low, p_low + width] and q_high = 1 - (p_low + width); the whole normal has p_low = q_high = 0, width = 1. */
typedef struct {
    double low, high, mean, std, p_low, q_high, width;
} distribution;

/* Makes the samples of one part, in one thread. */
typedef void sampler_f32(draw part, const distribution *source, float *out);
typedef void sampler_f64(draw part, const distribution *source, double *out);

typedef struct {
    const char *name;
    const microkernel_f32 *microkernel_f32;
    const microkernel_f64 *microkernel_f64;
    const fused_kernels *fused_f32, *fused_f64;
    const optim_rules *optim_f32, *optim_f64;
    void (*philox_group)(philox_key key, uint64_t low, uint64_t high, uint32_t out[PHILOX_GROUP]);
    sampler_f32 *uniform_f32, *normal_f32;
    sampler_f64 *uniform_f64, *normal_f64;
    summary (*summarize_f32)(size_t n, const float *x, size_t bins, int64_t *counts);
    summary (*summarize_f64)(size_t n, const double *x, size_t bins, int64_t *counts);
} isa_table;

/* All but the name: what the templates have made in an isa_*.c file. An entry is written once, so that no two can
 * change places; where it is written twice, their types differ. */
#define OWN(table) .table = &own_##table
#define SAME(function) .function = function
#define OWN_KERNELS                                                                               \
    OWN(microkernel_f32), OWN(microkernel_f64), OWN(fused_f32), OWN(fused_f64),                   \
    OWN(optim_f32), OWN(optim_f64),                                                               \
    SAME(philox_group), SAME(uniform_f32), SAME(uniform_f64), SAME(normal_f32), SAME(normal_f64), \
    .summarize_f32 = summarized_f32, .summarize_f64 = summarized_f64

extern const isa_table isa_generic, isa_avx2, isa_avx512, isa_neon;

/* The table in use: the best that this processor runs, until isa_choose takes another one. */
const isa_table *isa_current(void);

/* Returns 0, or -1 and changes nothing where this processor or binary has no such instruction set. */
int isa_choose(const char *name);

/* The i-th instruction set that runs here, best first; NULL past the last. */
const char *isa_available(int i);

#endif
