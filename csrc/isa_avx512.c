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
#define LOW_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
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
#define LOW_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_HALVES 4, 12, 5, 13, 6, 14, 7, 15
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
