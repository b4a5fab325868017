/* isa_neon.c: NEON with fused multiply-add, for every 64-bit ARM processor.
 *
 * It is part of the architecture: nothing has to be switched on for this file or asked at run time. Of the 32 vector
 * registers, 6 x 4 hold the tile of C, 4 a row of B, 1 an element of A. */
#include "isa.h"

#if defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define SUFFIX f32
#define REAL float
#define INDEX int32_t
#define WORD uint32_t
#define LANES 4
#define MR 6
#define NV 4
#define VEC float32x4_t
#define LOAD(p) vld1q_f32(p)
#define STORE(p, v) vst1q_f32(p, v)
#define BROADCAST(x) vdupq_n_f32(x)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define LOW_HALVES 0, 4, 1, 5
#define HIGH_HALVES 2, 6, 3, 7
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define SUFFIX f64
#define REAL double
#define INDEX int64_t
#define WORD uint64_t
#define LANES 2
#define MR 6
#define NV 4
#define VEC float64x2_t
#define LOAD(p) vld1q_f64(p)
#define STORE(p, v) vst1q_f64(p, v)
#define BROADCAST(x) vdupq_n_f64(x)
#define FMA(a, b, c) vfmaq_f64(c, a, b)
#define LOW_HALVES 0, 2
#define HIGH_HALVES 1, 3
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

/* Smaller and larger by comparison: NEON's own minimum and maximum order -0 before +0, those of x86 do not. */
#define LANES32 4
#define SET_F32(x) ((vec_f32)vdupq_n_f32(x))
#define MIN_F32(a, b) ((vec_f32)vbslq_f32(vcltq_f32((float32x4_t)(a), (float32x4_t)(b)), (float32x4_t)(a), (float32x4_t)(b)))
#define MAX_F32(a, b) ((vec_f32)vbslq_f32(vcgtq_f32((float32x4_t)(a), (float32x4_t)(b)), (float32x4_t)(a), (float32x4_t)(b)))
#define LOOKUP(table, k) ((vec_f32){(table)[(k)[0]], (table)[(k)[1]], (table)[(k)[2]], (table)[(k)[3]]})
#define LANES64 2
#define MUL32(a, m) ((lanes64)vmull_u32(vmovn_u64((uint64x2_t)(a)), vdup_n_u32(m)))
#define UNPACK_LOW(a, b) ((lanes64)vzip1q_u64((uint64x2_t)(a), (uint64x2_t)(b)))
#define UNPACK_HIGH(a, b) ((lanes64)vzip2q_u64((uint64x2_t)(a), (uint64x2_t)(b)))
#include "sampling_kernels.h"

const isa_table isa_neon = {.name = "neon", OWN_KERNELS};
#endif
