/* microkernel.h: the template of the innermost block of matmul; each isa_*.c includes it once per precision.
 *
 * The includer defines SUFFIX, REAL, VEC, LANES (REALs in a VEC), the tile (MR rows, NV vectors) and the four vector
 * operations. The tile of C stays in registers while k runs: for each k one column of A (MR numbers) meets one row of B
 * (NV vectors). Every element of C is one chain of multiply-adds over k, started from C itself: cutting k into blocks
 * does not change a bit. What lies around it, the five loops and the packing, is in matmul_loops.h. */
#include <stddef.h>

#ifndef MICROKERNEL_ONCE
#define MICROKERNEL_ONCE
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#endif

static void PASTE(run, SUFFIX)(size_t k, const REAL *a, const REAL *b, REAL *c, ptrdiff_t ldc, int accumulate)
{
    VEC tile[MR][NV];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            tile[i][j] = accumulate ? LOAD(c + i * ldc + j * LANES) : BROADCAST(0);

    for (; k; k--, a += MR, b += NV * LANES) {
        VEC row[NV];
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            row[j] = LOAD(b + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            VEC element = BROADCAST(a[i]);
#pragma GCC unroll 4
            for (int j = 0; j < NV; j++)
                tile[i][j] = FMA(element, row[j], tile[i][j]);
        }
    }

#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++)
            STORE(c + i * ldc + j * LANES, tile[i][j]);
}

enum { PASTE(TILE_ROWS, SUFFIX) = MR, PASTE(TILE_COLUMNS, SUFFIX) = NV * LANES };

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
