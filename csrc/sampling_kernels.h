/* sampling_kernels.h: from random words to uniform and normal samples; each isa_*.c includes it once.
 *
 * One sample uses one word (float32) or two (float64), whatever its distribution: sample i of a call begins at word
 * position + i or position + 2 i. So a stream is the same however it is cut into calls, chunks or threads. Normals are
 * made by inversion, z = quantile(p), which serves the truncated normal as well.
 *
 * Every line is a fixed sequence of correctly rounded operations (+ - * / sqrt and conversions); compiled without
 * contraction (-ffp-contract=off) it gives the same bits on every instruction set, and in
 * minidl/kernels/reference/sampling.py, where the same formulas can be read in NumPy. Integers and permutations are in
 * sampling.c. */
#include "log.h"
#include "philox.h"
#include "quantile_table.h"

#include <math.h>

typedef float vec_f32 __attribute__((vector_size(4 * LANES32)));
typedef int32_t vec_i32 __attribute__((vector_size(4 * LANES32)));
typedef uint32_t vec_u32 __attribute__((vector_size(4 * LANES32)));

/* Words of a stream, CHUNK at a time in a buffer that stays in the first-level cache. `words` points at the word where
 * the chunk begins: up to three words behind the first counter made. */
enum { CHUNK = 16 * PHILOX_GROUP };

typedef struct {
    uint32_t buffer[CHUNK + 2 * PHILOX_GROUP]; /* room for the offset, and to read on to the end of a vector */
} word_chunk;

static const uint32_t *words_at(word_chunk *chunk, philox_key key, uint64_t position, size_t n)
{
    size_t offset = position % 4, end = offset + (n + LANES32 - 1) / LANES32 * LANES32; /* the last vector is read whole */
    for (size_t done = 0; done < end; done += PHILOX_GROUP)
        philox_group(key, (position + done) / 4, 0, chunk->buffer + done);
    return chunk->buffer + offset;
}

/* The two halves of the unit interval, each exact near its own zero: p = (k + 1/2) / 2^b and q = 1 - p, k a word of b
 * bits. */
#define unit_f32(word) ((__builtin_convertvector(word, vec_f32) + 0.5f) * 0x1p-32f)

static inline double bits53(uint32_t high, uint32_t low)
{
    return (double)(int32_t)(high >> 5) * 0x1p26 + (double)(int32_t)(low >> 6);
}

static inline double unit_f64(uint32_t high, uint32_t low)
{
    return (bits53(high, low) + 0.5) * 0x1p-53;
}

/* The lower half of the normal quantile in float32, at r <= 1/2: r = 2^(k - 32) m, and on each octave k the quantile
 * is a polynomial in m - 3/2 (quantile_table.h). Below 2^-32, where words of 32 bits do not get, it stays at -6.2.
 * Where `upper` has its sign bit set, the sign is turned. */
static inline vec_f32 quantile_f32(vec_f32 r, vec_i32 upper)
{
    r = MAX_F32(r, SET_F32(0x1p-32f));
    vec_i32 bits = (vec_i32)r, k = (bits >> 23) - 95;
    vec_f32 x = (vec_f32)((bits & 0x7fffff) | 0x3f800000) - 1.5f;
    vec_f32 z = LOOKUP(QUANTILE[7], k);
#pragma GCC unroll 7
    for (int j = 6; j >= 0; j--)
        z = z * x + LOOKUP(QUANTILE[j], k);
    return (vec_f32)((vec_i32)z ^ (upper & INT32_MIN));
}

/* The normal quantile in float64, by Wichura's PPND16 (AS 241, Applied Statistics 37, 1988), relative error about
 * 1e-16: a ratio of polynomials in the middle (|p - 1/2| <= 0.425), others in sqrt(-log(tail)) outside. q is 1 - p, so
 * that both tails are exact. */
static inline double quantile_f64(double p, double q)
{
    double c = 0.5 * (p - q), r = 0.180625 - c * c;
    double middle = 2.5090809287301226727e+3, middle_by = 5.2264952788528545610e+3;
    middle = middle * r + 3.3430575583588128105e+4, middle_by = middle_by * r + 2.8729085735721942674e+4;
    middle = middle * r + 6.7265770927008700853e+4, middle_by = middle_by * r + 3.9307895800092710610e+4;
    middle = middle * r + 4.5921953931549871457e+4, middle_by = middle_by * r + 2.1213794301586595867e+4;
    middle = middle * r + 1.3731693765509461125e+4, middle_by = middle_by * r + 5.3941960214247511077e+3;
    middle = middle * r + 1.9715909503065514427e+3, middle_by = middle_by * r + 6.8718700749205790830e+2;
    middle = middle * r + 1.3314166789178437745e+2, middle_by = middle_by * r + 4.2313330701600911252e+1;
    middle = middle * r + 3.3871328727963666080e+0, middle_by = middle_by * r + 1.0;
    middle = middle * c;

    double root = sqrt(-log_f64(p < q ? p : q)), s = root - 1.6;
    double tail = 7.74545014278341407640e-4, tail_by = 1.05075007164441684324e-9;
    tail = tail * s + 2.27238449892691845833e-2, tail_by = tail_by * s + 5.47593808499534494600e-4;
    tail = tail * s + 2.41780725177450611770e-1, tail_by = tail_by * s + 1.51986665636164571966e-2;
    tail = tail * s + 1.27045825245236838258e+0, tail_by = tail_by * s + 1.48103976427480074590e-1;
    tail = tail * s + 3.64784832476320460504e+0, tail_by = tail_by * s + 6.89767334985100004550e-1;
    tail = tail * s + 5.76949722146069140550e+0, tail_by = tail_by * s + 1.67638483018380384940e+0;
    tail = tail * s + 4.63033784615654529590e+0, tail_by = tail_by * s + 2.05319162663775882187e+0;
    tail = tail * s + 1.42343711074968357734e+0, tail_by = tail_by * s + 1.0;

    s = root - 5;
    double far = 2.01033439929228813265e-7, far_by = 2.04426310338993978564e-15;
    far = far * s + 2.71155556874348757815e-5, far_by = far_by * s + 1.42151175831644588870e-7;
    far = far * s + 1.24266094738807843860e-3, far_by = far_by * s + 1.84631831751005468180e-5;
    far = far * s + 2.65321895265761230930e-2, far_by = far_by * s + 7.86869131145613259100e-4;
    far = far * s + 2.96560571828504891230e-1, far_by = far_by * s + 1.48753612908506148525e-2;
    far = far * s + 1.78482653991729133580e+0, far_by = far_by * s + 1.36929880922735805310e-1;
    far = far * s + 5.46378491116411436990e+0, far_by = far_by * s + 5.99832206555887937690e-1;
    far = far * s + 6.65790464350110377720e+0, far_by = far_by * s + 1.0;

    int inside = r >= 0, near = root <= 5;
    tail = near ? tail : far;
    tail_by = near ? tail_by : far_by;
    return (inside ? middle : c < 0 ? -tail : tail) / (inside ? middle_by : tail_by);
}

/* low + (high - low) u with u in [0, 1) on a grid of 2^-24 (float32) or 2^-53 (float64). Rounding may reach high: then
 * the largest number below it is taken. */
static void uniform_f32(draw part, const distribution *source, float *out)
{
    word_chunk chunk;
    float low = (float)source->low, high = (float)source->high, width = high - low, last = nextafterf(high, low);
    for (size_t n; part.n; part.n -= n, part.position += n, out += n) {
        n = part.n < CHUNK ? part.n : CHUNK;
        const uint32_t *word = words_at(&chunk, part.key, part.position, n);
        for (size_t i = 0; i < n; i++) {
            float x = low + width * ((float)(int32_t)(word[i] >> 8) * 0x1p-24f);
            out[i] = x < high ? x : last;
        }
    }
}

static void uniform_f64(draw part, const distribution *source, double *out)
{
    word_chunk chunk;
    double low = source->low, high = source->high, width = high - low, last = nextafter(high, low);
    for (size_t n; part.n; part.n -= n, part.position += 2 * n, out += n) {
        n = part.n < CHUNK / 2 ? part.n : CHUNK / 2;
        const uint32_t *word = words_at(&chunk, part.key, part.position, 2 * n);
        for (size_t i = 0; i < n; i++) {
            double x = low + width * (bits53(word[2 * i], word[2 * i + 1]) * 0x1p-53);
            out[i] = x < high ? x : last;
        }
    }
}

static void normal_f32(draw part, const distribution *source, float *out)
{
    word_chunk chunk;
    int whole = source->width == 1 && source->low == -INFINITY && source->high == INFINITY;
    vec_f32 mean = SET_F32((float)source->mean), std = SET_F32((float)source->std);
    vec_f32 low = SET_F32((float)source->low), high = SET_F32((float)source->high);
    vec_f32 p_low = SET_F32((float)source->p_low), q_high = SET_F32((float)source->q_high), width = SET_F32((float)source->width);
    for (size_t n; part.n; part.n -= n, part.position += n, out += n) {
        n = part.n < CHUNK ? part.n : CHUNK;
        const uint32_t *word = words_at(&chunk, part.key, part.position, n);
        for (size_t i = 0; i < n; i += LANES32) {
            vec_i32 w;
            memcpy(&w, word + i, sizeof w);
            vec_f32 x;
            if (whole) { /* p and q are words: the smaller is w or ~w, by the first bit of w; the rest would change nothing */
                x = mean + std * quantile_f32(unit_f32(w ^ (w >> 31)), w);
            } else {
                vec_f32 p = p_low + width * unit_f32((vec_u32)w), q = q_high + width * unit_f32((vec_u32)~w);
                x = mean + std * quantile_f32(MIN_F32(p, q), p > q);
                x = MIN_F32(MAX_F32(x, low), high);
            }
            memcpy(out + i, &x, n - i < LANES32 ? (n - i) * sizeof *out : sizeof x);
        }
    }
}

static void normal_f64(draw part, const distribution *source, double *out)
{
    word_chunk chunk;
    double mean = source->mean, std = source->std, low = source->low, high = source->high;
    double p_low = source->p_low, q_high = source->q_high, width = source->width;
    for (size_t n; part.n; part.n -= n, part.position += 2 * n, out += n) {
        n = part.n < CHUNK / 2 ? part.n : CHUNK / 2;
        const uint32_t *word = words_at(&chunk, part.key, part.position, 2 * n);
        for (size_t i = 0; i < n; i++) {
            uint32_t a = word[2 * i], b = word[2 * i + 1];
            double p = p_low + width * unit_f64(a, b), q = q_high + width * unit_f64(~a, ~b);
            double x = mean + std * quantile_f64(p, q);
            x = x > low ? x : low; /* of equal zeros the bound's, as MAX_F32 and MIN_F32 have it */
            out[i] = x < high ? x : high;
        }
    }
}
