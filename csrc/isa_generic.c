/* isa_generic.c: plain C, for every processor. The 16-byte vectors are what any 64-bit machine has.
 *
 * A product and its sum are rounded separately here, where the other instruction sets fuse them; so matmul differs from
 * theirs in the last bits. Sampling does not. */
#include "isa.h"

#define SUFFIX f32
#define REAL float
#define LANES 4
#define MR 4
#define NV 2
typedef float vec_f32 __attribute__((vector_size(16), aligned(4), may_alias));
#define VEC vec_f32
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define BROADCAST(x) ((VEC){(x), (x), (x), (x)})
#define FMA(a, b, c) ((a) * (b) + (c))
#include "microkernel.h"

#define SUFFIX f64
#define REAL double
#define LANES 2
#define MR 4
#define NV 2
typedef double vec_f64 __attribute__((vector_size(16), aligned(8), may_alias));
#define VEC vec_f64
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define BROADCAST(x) ((VEC){(x), (x)})
#define FMA(a, b, c) ((a) * (b) + (c))
#include "microkernel.h"

#include "sampling_kernels.h"

const isa_table isa_generic = {"generic", TILE_f32, TILE_f64, uniform_f32, uniform_f64, normal_f32, normal_f64};
