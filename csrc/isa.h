/* isa.h: the table of what each instruction set brings: a microkernel for matmul, the vector loops of sampling, summaries
 * and passes.
 *
 * One small file per instruction set (isa_generic.c, isa_avx2.c, isa_avx512.c, isa_neon.c) fills one table; cpu.c chooses
 * among them at run time, so that one binary runs on every processor of its architecture. */
#ifndef MINIDL_ISA_H
#define MINIDL_ISA_H

#include "passes.h"
#include "summary.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t k0, k1;
} philox_key;

/* The words that are made at once: those of 16 counters. */
enum { PHILOX_GROUP = 64 };

/* What matmul takes from an instruction set, see microkernel.h. `run` makes a tile of C of at most mr rows and nr columns (or
 * of one row and ROW_VECTORS vectors): C = A B + added, or A B where added is NULL, with A of any strides and unit column
 * stride in the others. `pack` copies a length x depth matrix into slivers of `width` rows, stored column after column, the last
 * vector filled up with zeros; it may write up to `lanes` numbers past the end. B is packed by it too, seen transposed. */
enum { ROW_VECTORS = 8 };

/* `pack` takes so many columns that lie in order at a time, for all slivers: each of these gets a few lines of cache in order. */
enum { PACKED_AT_ONCE = 8 };

/* `dots` multiplies one row with columns that lie in order: DOT_BYTES of chains for each element, DOT_SUMS vectors at once. */
enum { DOT_BYTES = 128, DOT_SUMS = 8 };

#define MICROKERNEL(REAL)                                                                                                  \
    struct {                                                                                                               \
        size_t mr, nr, lanes;                                                                                              \
        void (*run)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column,             \
                    const REAL *b, ptrdiff_t b_row, const REAL *added, ptrdiff_t added_row, REAL *c, ptrdiff_t c_row);     \
        void (*dots)(size_t columns, size_t k, const REAL *a, const REAL *b, ptrdiff_t b_column, REAL *c, ptrdiff_t c_column); \
        void (*pack)(size_t length, size_t depth, size_t width, const REAL *x, ptrdiff_t x_row, ptrdiff_t x_column,        \
                     REAL *out);                                                                                           \
    }
typedef MICROKERNEL(float) microkernel_f32;
typedef MICROKERNEL(double) microkernel_f64;

/* A part of a stream: n samples whose first begins at word `position`. */
typedef struct {
    philox_key key;
    uint64_t position;
    size_t n;
} draw;

/* A law and its numbers. Uniform: [low, high). Normal: mean + std * quantile(p), kept in [low, high], where p is uniform
 * on [p_low, p_low + width] and q_high = 1 - (p_low + width); the whole normal has p_low = q_high = 0 and width = 1. */
typedef struct {
    double low, high, mean, std, p_low, q_high, width;
} sample_law;

/* Makes the samples of one part, in one thread. `out` holds floats or doubles, as the sampler's name says. */
typedef void sampler(draw part, const sample_law *law, void *out);

typedef struct {
    const char *name;
    microkernel_f32 f32;
    microkernel_f64 f64;
    void (*philox_group)(philox_key key, uint64_t low, uint64_t high, uint32_t out[PHILOX_GROUP]);
    sampler *uniform_f32, *uniform_f64, *normal_f32, *normal_f64;
    summary (*summarize_f32)(size_t n, const float *x, size_t bins, int64_t *counts);
    summary (*summarize_f64)(size_t n, const double *x, size_t bins, int64_t *counts);
    pass *passes[PASSES][2];
} isa_table;

/* How an isa_*.c file fills in its microkernels and passes. */
#define TILE_f32 {MR_OF_f32, NV_OF_f32 * LANES_OF_f32, LANES_OF_f32, run_f32, dots_f32, pack_f32}
#define TILE_f64 {MR_OF_f64, NV_OF_f64 * LANES_OF_f64, LANES_OF_f64, run_f64, dots_f64, pack_f64}
#define BOTH(stem) {stem##_f32, stem##_f64}
#define ALL_PASSES {BOTH(elementwise), BOTH(column_sums), BOTH(batch_norm), BOTH(batch_norm_backward), BOTH(cross_entropy), \
                    BOTH(cross_entropy_backward), BOTH(sgd)}

extern const isa_table isa_generic, isa_avx2, isa_avx512, isa_neon;

/* The table in use: the best that this processor runs, until isa_choose takes another one. */
const isa_table *isa_current(void);

/* Returns 0, or -1 and changes nothing where this processor or binary has no such instruction set. */
int isa_choose(const char *name);

/* The i-th instruction set that runs here, best first; NULL past the last. */
const char *isa_available(int i);

#endif
