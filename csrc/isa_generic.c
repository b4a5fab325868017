/* isa_generic.c: plain C, for every processor. The 16-byte vectors are what any 64-bit machine has.
 *
 * A product and its sum are rounded separately here, where the other instruction sets fuse them; so matmul differs
 * from theirs in the last bits. Sampling does not. */
#include "isa.h"

#define SUFFIX f32
#define REAL float
#define INDEX int32_t
#define WORD uint32_t
#define LANES 4
#define MR 4
#define NV 2
typedef float vec_f32 __attribute__((vector_size(16), aligned(4), may_alias));
#define VEC vec_f32
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define BROADCAST(x) ((VEC){(x), (x), (x), (x)})
#define FMA(a, b, c) ((a) * (b) + (c))
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
#define MR 4
#define NV 2
typedef double vec_f64 __attribute__((vector_size(16), aligned(8), may_alias));
#define VEC vec_f64
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define BROADCAST(x) ((VEC){(x), (x)})
#define FMA(a, b, c) ((a) * (b) + (c))
#define LOW_HALVES 0, 2
#define HIGH_HALVES 1, 3
#include "fused_loops.h"
#include "optim_loops.h"
#include "summary_loops.h"
#include "microkernel.h"

#define LANES32 4
#define EACH(f, a, b) ((vec_f32){f((a)[0], (b)[0]), f((a)[1], (b)[1]), f((a)[2], (b)[2]), f((a)[3], (b)[3])})
#define MIN_1(a, b) ((a) < (b) ? (a) : (b))
#define MAX_1(a, b) ((a) > (b) ? (a) : (b))
#define SET_F32(x) ((vec_f32){(x), (x), (x), (x)})
#define MIN_F32(a, b) EACH(MIN_1, a, b)
#define MAX_F32(a, b) EACH(MAX_1, a, b)
#define LOOKUP(table, k) ((vec_f32){(table)[(k)[0]], (table)[(k)[1]], (table)[(k)[2]], (table)[(k)[3]]})
#define LANES64 2
#if defined(__SSE2__)
#include <emmintrin.h>
#define MUL32(a, m) ((lanes64)_mm_mul_epu32((__m128i)(a), _mm_set1_epi64x(m)))
#else
#define MUL32(a, m) (((a) & 0xFFFFFFFFu) * (uint64_t)(m))
#endif
#define UNPACK_LOW(a, b) ((lanes64){(a)[0], (b)[0]})
#define UNPACK_HIGH(a, b) ((lanes64){(a)[1], (b)[1]})
#include "sampling_kernels.h"

const isa_table isa_generic = {.name = "generic", OWN_KERNELS};
