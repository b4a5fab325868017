/* isa_avx2.c: AVX2 with fused multiply-add, for x86-64 processors since about 2013.
 *
 * Only the functions of this file are compiled for it (the pragma, not a compiler flag), and cpu.c calls them only
 * where the processor has it. Of the 16 vector registers, 6 x 2 hold the tile of C, 2 a row of B, 1 an element of
 * A. */
#include "isa.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define SUFFIX f32
#define REAL float
#define INDEX int32_t
#define WORD uint32_t
#define LANES 8
#define MR 6
#define NV 2
#define VEC __m256
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define BROADCAST(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define LOAD_PARTS(row, i, j) _mm256_loadu2_m128((row)[(i) + 4] + (j), (row)[i] + (j))
#define LOW_HALVES 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH_HALVES 2, 10, 3, 11, 6, 14, 7, 15
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define SUFFIX f64
#define REAL double
#define INDEX int64_t
#define WORD uint64_t
#define LANES 4
#define MR 6
#define NV 2
#define VEC __m256d
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define BROADCAST(x) _mm256_set1_pd(x)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define LOAD_PARTS(row, i, j) _mm256_loadu2_m128d((row)[(i) + 2] + (j), (row)[i] + (j))
#define LOW_HALVES 0, 4, 2, 6
#define HIGH_HALVES 1, 5, 3, 7
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define LANES32 8
#define SET_F32(x) ((vec_f32)_mm256_set1_ps(x))
#define MIN_F32(a, b) ((vec_f32)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define MAX_F32(a, b) ((vec_f32)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define LOOKUP(table, k) ((vec_f32)_mm256_i32gather_ps(table, (__m256i)(k), 4))
#define LANES64 4
#define MUL32(a, m) ((lanes64)_mm256_mul_epu32((__m256i)(a), _mm256_set1_epi64x(m)))
#define UNPACK_LOW(a, b) ((lanes64)_mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b)))
#define UNPACK_HIGH(a, b) ((lanes64)_mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b)))
#include "sampling_kernels.h"

const isa_table isa_avx2 = {.name = "avx2", OWN_KERNELS};

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
