/* isa_avx512.c: AVX-512, for x86-64 servers and some desktops since about 2017.
 *
 * Only the functions of this file are compiled for it (the pragma, not a compiler flag), and cpu.c calls them only
 * where the processor has it. Of the 32 vector registers, 8 x 3 hold the tile of C, 3 a row of B, 1 an element of A.
 * (12 x 2 would fill as many, and take 14 loads to 24 multiply-adds instead of 11.) */
#include "isa.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,fma,prefer-vector-width=512")
#endif

/* A vector of four times 16 bytes. */
static inline __m512 four_parts(const void *p, const void *q, const void *r, const void *s)
{
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(q), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(r), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(s), 3);
}

#define SUFFIX f32
#define REAL float
#define INDEX int32_t
#define WORD uint32_t
#define LANES 16
#define MR 8
#define NV 3
#define VEC __m512
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define BROADCAST(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define LOAD_PARTS(row, i, j) four_parts((row)[i] + (j), (row)[(i) + 4] + (j), (row)[(i) + 8] + (j), (row)[(i) + 12] + (j))
#define LOW_HALVES 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define HIGH_HALVES 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define SUFFIX f64
#define REAL double
#define INDEX int64_t
#define WORD uint64_t
#define LANES 8
#define MR 8
#define NV 3
#define VEC __m512d
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define BROADCAST(x) _mm512_set1_pd(x)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define LOAD_PARTS(row, i, j) \
    _mm512_castps_pd(four_parts((row)[i] + (j), (row)[(i) + 2] + (j), (row)[(i) + 4] + (j), (row)[(i) + 6] + (j)))
#define LOW_HALVES 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH_HALVES 1, 9, 3, 11, 5, 13, 7, 15
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define LANES32 16
#define SET_F32(x) ((vec_f32)_mm512_set1_ps(x))
#define MIN_F32(a, b) ((vec_f32)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define MAX_F32(a, b) ((vec_f32)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define LOOKUP(table, k) \
    ((vec_f32)_mm512_permutex2var_ps(_mm512_loadu_ps(table), (__m512i)(k), _mm512_loadu_ps((table) + 16)))
#define LANES64 8
#define MUL32(a, m) ((lanes64)_mm512_mul_epu32((__m512i)(a), _mm512_set1_epi64(m)))
#define UNPACK_LOW(a, b) ((lanes64)_mm512_unpacklo_epi64((__m512i)(a), (__m512i)(b)))
#define UNPACK_HIGH(a, b) ((lanes64)_mm512_unpackhi_epi64((__m512i)(a), (__m512i)(b)))
#include "sampling_kernels.h"

const isa_table isa_avx512 = {.name = "avx512", OWN_KERNELS};

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
