/* microkernel.h: the template of the innermost block of matmul; each isa_*.c includes it once per precision.
 *
 * The includer defines SUFFIX, REAL, INDEX (an integer as long), VEC, LANES (REALs in a VEC), the largest tile (MR rows, NV
 * vectors), the vector operations, and LOW_HALVES and HIGH_HALVES: the places of a0 b0 a1 b1 ... in the two vectors a b, from
 * their first and from their second halves. The tile of C stays in registers while k runs: for each k one column of A (a
 * number a row) meets one row of B (NV vectors). Every element of C is one chain of multiply-adds over k, started from C
 * itself: cutting k into blocks does not change a bit. What lies around it, the five loops and the packing, is in
 * matmul_loops.h. */
#include "isa.h"

#ifndef PASTE
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#endif
#define NAME(stem) PASTE(stem, SUFFIX)
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef INDEX NAME(places) __attribute__((vector_size(LANES * sizeof(REAL))));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(places)){__VA_ARGS__})
#endif

static inline __attribute__((always_inline)) void NAME(tile)(const size_t rows, const size_t vectors, size_t k, const REAL *a,
                                                             ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                                                             ptrdiff_t b_row, REAL *c, ptrdiff_t c_row, int accumulate)
{
    VEC sum[MR][NV];
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = accumulate ? LOAD(c + (ptrdiff_t)i * c_row + j * LANES) : BROADCAST(0);

    for (; k; k--, a += a_column, b += b_row) {
        VEC row[NV];
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            row[j] = LOAD(b + j * LANES);
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            VEC element = BROADCAST(a[(ptrdiff_t)i * a_row]);
#pragma GCC unroll 4
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] = FMA(element, row[j], sum[i][j]);
        }
    }

#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            STORE(c + (ptrdiff_t)i * c_row + j * LANES, sum[i][j]);
}

/* Calls the tile that was compiled for this many rows and vectors (1 or NV). */
static void NAME(run)(size_t rows, size_t vectors, size_t k, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,
                      ptrdiff_t b_row, REAL *c, ptrdiff_t c_row, int accumulate)
{
#define CASE(r)                                                                            \
    case r:                                                                                \
        if (r <= MR && vectors == 1)                                                       \
            NAME(tile)(r, 1, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);       \
        else if (r <= MR)                                                                  \
            NAME(tile)(r, NV, k, a, a_row, a_column, b, b_row, c, c_row, accumulate);      \
        break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
#undef CASE
}

/* Turns `rows` rows of LANES numbers into columns, with zeros in place of the rows from `rows` on. With L = LANES: interleaving
 * row i and row i + L/2 gives rows 2 i and 2 i + 1; after log2 L such shuffles every number is where it belongs. */
static void NAME(transpose)(size_t rows, const REAL *from, ptrdiff_t from_row, REAL *to, ptrdiff_t to_row)
{
    VEC x[LANES], y[LANES];
    for (size_t i = 0; i < LANES; i++)
        x[i] = i < rows ? LOAD(from + (ptrdiff_t)i * from_row) : BROADCAST(0);
#pragma GCC unroll 4
    for (int stage = 1; stage < LANES; stage *= 2) {
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES / 2; i++) {
            y[2 * i] = SHUFFLE(x[i], x[i + LANES / 2], LOW_HALVES);
            y[2 * i + 1] = SHUFFLE(x[i], x[i + LANES / 2], HIGH_HALVES);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < LANES; i++)
            x[i] = y[i];
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        STORE(to + (ptrdiff_t)i * to_row, x[i]);
}

enum { NAME(MR_OF) = MR, NAME(LANES_OF) = LANES, NAME(NV_OF) = NV };

#undef NAME
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
#undef LOW_HALVES
#undef HIGH_HALVES
#undef SHUFFLE
