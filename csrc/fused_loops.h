/* fused_loops.h: the template of the fused kernels in fused.h; each isa_*.c includes it once per precision, with
 * SUFFIX, REAL and WORD (an unsigned integer as long).
 *
 * Plain loops, which compilers turn into vectors. Every line is a fixed sequence of correctly rounded operations,
 * compiled without contraction, so that all instruction sets give the same bits, and the reference implementations
 * give them, too. */
#include "fused.h"
#include "gelu_table.h"
#include "log.h"
#include "template.h"

#include <math.h>
#include <string.h>

#define SINGLE (sizeof(REAL) == 4)

/* 1.5 2^23 or 1.5 2^52: to add it rounds to an integer, which then stands in the last bits. */
#define ROUNDER ((REAL)(SINGLE ? 0x1.8p23 : 0x1.8p52))

/* power_f32, power_f64: 2^n for an integer n, by writing it where a float has its exponent. */
static inline REAL NAME(power)(REAL n)
{
    REAL shifted = n + ROUNDER, power;
    WORD bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + (SINGLE ? 127 : 1023)) << (SINGLE ? 23 : 52);
    memcpy(&power, &bits, sizeof bits);
    return power;
}

/* nearest_f32, nearest_f64 */
static inline REAL NAME(nearest)(REAL x)
{
    return (x + ROUNDER) - ROUNDER;
}

/* rest_f32, rest_f64: r with z = n ln 2 + r, so |r| <= ln 2 / 2 (and a little) for n = nearest(z / ln 2). ln 2 comes
 * in two parts, the first so short that n times it is exact. */
static inline REAL NAME(rest)(REAL z, REAL n)
{
    const REAL high = (REAL)(SINGLE ? 0x1.63p-1 : 0x1.62e4p-1), low = (REAL)(SINGLE ? -0x1.bd0106p-13 : 0x1.7f7d1cf79abcap-20);
    return (z - n * high) - n * low;
}

/* series_f32, series_f64: e^r - 1, the sum of r^k / k! to k = 7 or 13. */
static inline REAL NAME(series)(REAL r)
{
    static const double over_factorial[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    REAL q = 0;
#pragma GCC unroll 16
    for (int k = SINGLE ? 7 : 13; k >= 2; k--)
        q = q * r + (REAL)over_factorial[k];
    return r + r * r * q;
}

/* reduced_f32, reduced_f64: e^r - 1, and n, where z = n ln 2 + r. */
static inline REAL NAME(reduced)(REAL z, REAL *n)
{
    *n = NAME(nearest)(z * (REAL)0x1.71547652b82fep+0);
    return NAME(series)(NAME(rest)(z, *n));
}

/* exp_f32, exp_f64: e^z, with 2^n in two steps, for it may be too large or too small for one. */
static inline REAL NAME(exp)(REAL z)
{
    const REAL least = SINGLE ? -104 : -746, most = SINGLE ? 89 : 710;
    z = z < least ? least : z;
    z = z > most ? most : z;
    REAL n, p = NAME(reduced)(z, &n), half = NAME(nearest)(n * (REAL)0.5);
    return (1 + p) * NAME(power)(half) * NAME(power)(n - half);
}

/* No function of x differs any more from its limit below this, nor does its product with any but the hugest dy. */
#define LEAST ((REAL)(SINGLE ? -174 : -1400))

/* exp_times_f32, exp_times_f64: e^z b dy for z <= 0. The second step comes last, so that only the result may be
 * subnormal, which has fewer digits. */
static inline REAL NAME(exp_times)(REAL z, REAL b, REAL dy)
{
    REAL n, p = NAME(reduced)(z < LEAST ? LEAST : z, &n), half = NAME(nearest)(n * (REAL)0.5);
    return (1 + p) * NAME(power)(half) * b * dy * NAME(power)(n - half);
}

/* expm1_f32, expm1_f64: e^z - 1 for z up to 40, exact to the last bits near 0 too. */
static inline REAL NAME(expm1)(REAL z)
{
    z = z < -40 ? -40 : z;
    REAL n, p = NAME(reduced)(z, &n), power = NAME(power)(n);
    return p * power + (power - 1);
}

/* tanh_f32, tanh_f64: with e = e^(2|x|) - 1, |tanh x| = e / (e + 2); from 20 on it is 1. */
static inline REAL NAME(tanh)(REAL x)
{
    REAL z = 2 * (REAL)fabs(x), e = NAME(expm1)(z > 40 ? 40 : z), t = e / (e + 2);
    return SINGLE ? copysignf((float)t, (float)x) : (REAL)copysign(t, x);
}

/* sigmoid_f32, sigmoid_f64: 1 / (1 + e^-x), from e^-|x|, which cannot overflow. */
static inline REAL NAME(sigmoid)(REAL x)
{
    REAL e = NAME(exp)(-(REAL)fabs(x));
    return (x >= 0 ? 1 : e) / (1 + e);
}

/* silu_f32, silu_f64: x e / (1 + e) with e = e^x, or x / (1 + e) with e = e^-x. Here, too, the second step of 2^n
 * comes last; in double, since these are many roundings for a float. */
static inline REAL NAME(silu)(REAL x)
{
    x = x < LEAST ? LEAST : x;
    REAL z = -(REAL)fabs(x), n, p = NAME(reduced)(z < LEAST ? LEAST : z, &n), half = NAME(nearest)(n * (REAL)0.5);
    double wide = (double)x, first = (1 + (double)p) * (double)NAME(power)(half), second = (double)NAME(power)(n - half);
    return (REAL)(wide * (wide < 0 ? first : 1) / (1 + first * second) * (wide < 0 ? second : 1));
}

/* silu_backward_f32, silu_backward_f64: dy times the derivative, which is e (1 + x + e) / (1 + e)^2 with e = e^x, or
 * (1 + e (1 + x)) / (1 + e)^2 with e = e^-x. It is 0 where 1 + x + e is, at x = zero, e = -1 - zero = there; near
 * it, with d = x - zero, e = there e^d, and the sum is d + there (e^d - 1), two terms of one sign. */
static inline REAL NAME(silu_backward)(REAL dy, REAL x)
{
    const double zero = -0x1.474973c84120bp+0, lacking = -0x1.f8d74bc9ac154p-54, there = 0.27846454276107380;
    const REAL high = (REAL)zero, low = (REAL)(SINGLE ? zero - (double)high : lacking), near = (REAL)0.125;
    x = x < LEAST ? LEAST : x;
    x = x > -LEAST ? -LEAST : x;
    REAL d = x - high, rounded = ((x - d) - high) - low, size = (REAL)fabs(d), z = size < near ? d : -(REAL)fabs(x);
    REAL n = NAME(nearest)(z * (REAL)0x1.71547652b82fep+0), half = NAME(nearest)(n * (REAL)0.5);
    double p = (double)NAME(series)(NAME(rest)(z, n) + (size < near ? rounded : 0)), wide = (double)x, away = (double)size;
    double first = (double)NAME(power)(half), second = (double)NAME(power)(n - half), factor = away < 0.125 ? there : 1;
    double e = factor * ((1 + p) * first * second), sum = wide > 0 ? 1 + e * (1 + wide) : (1 + wide) + e;
    sum = away < 0.125 ? ((double)d + (double)rounded) + there * p : sum;
    double q = (double)dy * (factor * sum / (1 + e * (2 + e)));
    return (REAL)(wide > 0 ? q : (q + q * p) * first * second);
}

/* No bell curve goes further than this. */
#define MOST (SINGLE ? 18.5 : 52)

/* bell_times_f32, bell_times_f64: e^(-a^2/2) f, for a from 0 to MOST. a^2 comes in two parts, the first of them exact,
 * for what is lost of it is lost of the result a^2/2 times over. Source: Cody, "Rational Chebyshev approximations for
 * the error function", Mathematics of Computation 23 (1969), and his later programs. */
static inline double NAME(bell_times)(double a, double f)
{
    double near = (double)(float)a, z = -0.5 * near * near;
    REAL n = NAME(nearest)((REAL)(z * 0x1.71547652b82fep+0)), half = NAME(nearest)(n * (REAL)0.5);
    double r = ((z - (double)n * 0x1.62e4p-1) - (double)n * 0x1.7f7d1cf79abcap-20) - 0.5 * (a - near) * (a + near);
    double p = (double)NAME(series)((REAL)r);
    return (f + f * p) * (double)NAME(power)(half) * (double)NAME(power)(n - half);
}

/* smooth_f32, smooth_f64: a polynomial in (a - 4) / (a + 4), in which what is left of GELU's tail varies so slowly
 * that one does for all a >= 0. */
static inline double NAME(smooth)(const double *coefficients, REAL a)
{
    REAL t = (a - 4) / (a + 4), sum = 0;
#pragma GCC unroll 32
    for (int k = 0; k < (SINGLE ? GELU_COUNT_f32 : GELU_COUNT_f64); k++)
        sum = sum * t + (REAL)coefficients[k];
    return (double)sum;
}

/* gelu_f32, gelu_f64: x P(x), with P(-a) = e^(-a^2/2) smooth(a) / (a + 5/4), as exact far out, where 1 + erf would be
 * 0, as in the middle. */
static inline REAL NAME(gelu)(REAL x)
{
    double wide = (double)x, size = fabs(wide), a = size > MOST ? MOST : size;
    double tail = NAME(bell_times)(a, (wide < 0 ? -a : 1) * NAME(smooth)(NAME(GELU_TAIL), (REAL)a) / (a + 1.25));
    return (REAL)(wide < 0 ? tail : wide * (1 - tail));
}

/* gelu_backward_f32, gelu_backward_f64: dy (P(x) + x p(x)), which for x and -x are 1 together. The zero is a factor,
 * so that it is as exact near it. */
static inline REAL NAME(gelu_backward)(REAL dy, REAL x)
{
    double wide = (double)x, size = fabs(wide), a = size > MOST ? MOST : size, d = (double)dy;
    double slope = NAME(smooth)(NAME(GELU_SLOPE), (REAL)a) * ((GELU_ZERO[0] - a) + GELU_ZERO[1]);
    slope = NAME(bell_times)(a, wide < 0 ? slope * d : slope);
    return (REAL)(wide < 0 ? slope : d * (1 - slope));
}

/* elementwise_f32, elementwise_f64 */
static void NAME(elementwise)(const void *job, size_t begin, size_t end)
{
    const elementwise_job *e = job;
    const REAL *x = e->x, *dy = e->dy;
    REAL *out = e->out, a = (REAL)e->a, b = (REAL)e->b;
    switch (e->function) {
#define EACH(function, value)                 \
    case function:                            \
        for (size_t i = begin; i < end; i++)  \
            out[i] = (value);                 \
        break;
        EACH(TANH, NAME(tanh)(x[i]))
        EACH(TANH_BACKWARD, dy[i] * ((1 - x[i]) * (1 + x[i])))
        EACH(SIGMOID, NAME(sigmoid)(x[i]))
        EACH(SIGMOID_BACKWARD, dy[i] * (x[i] * (1 - x[i])))
        EACH(RELU, x[i] < 0 ? 0 : x[i])
        EACH(RELU_BACKWARD, x[i] <= 0 ? 0 : dy[i])
        EACH(LEAKY_RELU, x[i] > 0 ? x[i] : a * x[i])
        EACH(LEAKY_RELU_BACKWARD, x[i] > 0 ? dy[i] : a * dy[i])
        EACH(ELU, x[i] > 0 ? a * x[i] : b * NAME(expm1)(x[i] > 0 ? 0 : x[i]))
        EACH(ELU_BACKWARD, x[i] > 0 ? dy[i] * a : NAME(exp_times)(x[i] > 0 ? 0 : x[i], b, dy[i]))
        EACH(SILU, NAME(silu)(x[i]))
        EACH(SILU_BACKWARD, NAME(silu_backward)(dy[i], x[i]))
        EACH(GELU, NAME(gelu)(x[i]))
        EACH(GELU_BACKWARD, NAME(gelu_backward)(dy[i], x[i]))
        EACH(EXP, NAME(exp)(x[i]))
        EACH(LOG, (REAL)log_of_any((double)x[i]))
#undef EACH
    }
}

/* Columns are worked on this many at a time: their rows stay in the first-level cache from one sweep to the next. */
#define COLUMNS 64

/* What is summed over the rows i of the columns j < width, one sum or two: x_ij (VALUES_f32, VALUES_f64); or d and d^2
 * with d = x_ij - mean_j (DEVIATIONS_f32, DEVIATIONS_f64); or dy_ij and dy_ij d s_j (GRADIENTS_f32, GRADIENTS_f64).
 * summed_f32, summed_f64: of which arrays. */
enum { NAME(VALUES), NAME(DEVIATIONS), NAME(GRADIENTS) };
typedef struct {
    size_t columns, width;
    const REAL *x, *dy, *mean, *s;
} NAME(summed);

/* first_term_f32, first_term_f64 */
static inline REAL NAME(first_term)(int kind, const NAME(summed) *t, size_t i, size_t j)
{
    REAL x = (kind == NAME(GRADIENTS) ? t->dy : t->x)[i * t->columns + j];
    return kind == NAME(DEVIATIONS) ? x - t->mean[j] : x;
}

/* second_term_f32, second_term_f64 */
static inline REAL NAME(second_term)(int kind, const NAME(summed) *t, size_t i, size_t j)
{
    REAL d = t->x[i * t->columns + j] - t->mean[j];
    return kind == NAME(DEVIATIONS) ? d * d : t->dy[i * t->columns + j] * (d * t->s[j]);
}

/* sums_of_block_f32, sums_of_block_f64: the sums of a few rows: eight rows are added up to one number for each column,
 * and these numbers one after the other. They stand in arrays of its own, of which a compiler knows that x is none of
 * them; else it would not use vectors. */
static inline void NAME(sums_of_block)(int kind, const NAME(summed) *t, size_t begin, size_t end, REAL *first, REAL *second)
{
#define EIGHT(term) \
    (((term(kind, t, i, j) + term(kind, t, i + 1, j)) + (term(kind, t, i + 2, j) + term(kind, t, i + 3, j))) \
     + ((term(kind, t, i + 4, j) + term(kind, t, i + 5, j)) + (term(kind, t, i + 6, j) + term(kind, t, i + 7, j))))
    REAL sum[COLUMNS] = {0}, other[COLUMNS] = {0};
    size_t i = begin;
    for (; i + 8 <= end; i += 8)
        for (size_t j = 0; j < t->width; j++) {
            sum[j] += EIGHT(NAME(first_term));
            if (kind != NAME(VALUES))
                other[j] += EIGHT(NAME(second_term));
        }
    for (; i < end; i++)
        for (size_t j = 0; j < t->width; j++) {
            sum[j] += NAME(first_term)(kind, t, i, j);
            if (kind != NAME(VALUES))
                other[j] += NAME(second_term)(kind, t, i, j);
        }
    memcpy(first, sum, t->width * sizeof *sum);
    memcpy(second, other, t->width * sizeof *other);
#undef EIGHT
}

/* A sum over more rows than this is made in two halves. */
#define BLOCK 128

/* sums_f32, sums_f64: sums over rows, pairwise: more rows than a block are cut in two, and the sums of the halves
 * added. So the error grows like the logarithm of the rows, where in one chain it grows like their number; and where
 * they are cut depends on nothing else. Source: Higham, "The accuracy of floating point summation", SIAM J. Sci.
 * Comput. 14 (1993), section 3. */
static void NAME(sums)(int kind, const NAME(summed) *t, size_t begin, size_t end, REAL *first, REAL *second)
{
    size_t rows = end - begin, middle = begin + (rows / 2 + BLOCK - 1) / BLOCK * BLOCK;
    if (rows > BLOCK) {
        REAL others[COLUMNS], more[COLUMNS];
        NAME(sums)(kind, t, begin, middle, first, second);
        NAME(sums)(kind, t, middle, end, others, more);
        for (size_t j = 0; j < t->width; j++)
            first[j] += others[j], second[j] += more[j];
    } else if (kind == NAME(VALUES)) {
        NAME(sums_of_block)(NAME(VALUES), t, begin, end, first, second);
    } else if (kind == NAME(DEVIATIONS)) {
        NAME(sums_of_block)(NAME(DEVIATIONS), t, begin, end, first, second);
    } else {
        NAME(sums_of_block)(NAME(GRADIENTS), t, begin, end, first, second);
    }
}

/* channels_f32, channels_f64: how many channels of the `left` ones are worked on at a time: those that have COLUMNS
 * columns together. A column is a place of a channel. */
static size_t NAME(channels)(size_t left, size_t places)
{
    size_t most = places < COLUMNS ? COLUMNS / places : 1;
    return left < most ? left : most;
}

/* spread_f32, spread_f64: for each column the value of its channel; of a channel with more than COLUMNS, for that many. */
static void NAME(spread)(size_t channels, size_t places, const REAL *value, REAL *out)
{
    places = places < COLUMNS ? places : COLUMNS;
    for (size_t c = 0; c < channels; c++)
        for (size_t p = 0; p < places; p++)
            out[c * places + p] = value[c];
}

/* sum_of_f32, sum_of_f64: of a few numbers, in the order of sums_of_block. */
static inline REAL NAME(sum_of)(const REAL *x, size_t n)
{
    REAL sum = 0;
    for (size_t eights = n / 8; eights > 0; eights--, x += 8)
        sum += ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
    for (size_t i = 0; i < n % 8; i++)
        sum += x[i];
    return sum;
}

/* channel_sums_f32, channel_sums_f64: sums over the rows of each column, and then over the columns of each channel, both
 * pairwise. Only a channel on its own may have more columns than a block. */
static void NAME(channel_sums)(
    int kind, const NAME(summed) *t, size_t rows, size_t channels, size_t places, REAL *first, REAL *second)
{
    REAL sum[BLOCK], other[BLOCK];
    NAME(summed) part = *t;
    if (places == 1) {
        part.width = channels;
        NAME(sums)(kind, &part, 0, rows, first, second);
        return;
    }
    if (places > BLOCK) {
        size_t half = (places / 2 + BLOCK - 1) / BLOCK * BLOCK;
        part.x += half, part.dy += half;
        NAME(channel_sums)(kind, t, rows, 1, half, first, second);
        NAME(channel_sums)(kind, &part, rows, 1, places - half, sum, other);
        *first += *sum, *second += *other;
        return;
    }
    for (size_t j = 0; j < channels * places; j += COLUMNS) {
        part.width = channels * places - j < COLUMNS ? channels * places - j : COLUMNS;
        part.x = t->x + j, part.dy = t->dy + j;
        NAME(sums)(kind, &part, 0, rows, sum + j, other + j);
    }
    for (size_t c = 0, j = 0; c < channels; c++, j += places) {
        first[c] = NAME(sum_of)(sum + j, places);
        second[c] = NAME(sum_of)(other + j, places);
    }
}

/* column_sums_f32, column_sums_f64 */
static void NAME(column_sums)(const void *job, size_t begin, size_t end)
{
    const column_sums_job *s = job;
    for (size_t channels; begin < end; begin += channels) {
        channels = NAME(channels)(end - begin, s->places);
        const REAL *x = (const REAL *)s->x + begin * s->places;
        REAL unused[COLUMNS];
        NAME(channel_sums)(NAME(VALUES), &(NAME(summed)){s->channels * s->places, 0, x, x, NULL, NULL}, s->rows, channels,
            s->places, (REAL *)s->out + begin, unused);
    }
}

/* batch_norm_f32, batch_norm_f64 */
static void NAME(batch_norm)(const void *job, size_t begin, size_t end)
{
    const batch_norm_job *b = job;
    size_t places = b->places, columns = b->channels * places;
    const REAL *weight = b->weight, *bias = b->bias, eps = (REAL)b->eps, n = (REAL)(b->rows * places);
    for (size_t channels; begin < end; begin += channels) {
        channels = NAME(channels)(end - begin, places);
        const REAL *x = (const REAL *)b->x + begin * places;
        REAL *y = (REAL *)b->y + begin * places, *mean = (REAL *)b->mean + begin, *var = (REAL *)b->var + begin;
        REAL m[COLUMNS], scale[COLUMNS], shift[COLUMNS], first[COLUMNS], second[COLUMNS];
        if (b->training) {
            /* About a first mean, which is rounded, the deviations have a mean of their own, which corrects it.
             * Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American
             * Statistician 37 (1983). */
            NAME(summed) t = {columns, 0, x, x, m, NULL};
            NAME(channel_sums)(NAME(VALUES), &t, b->rows, channels, places, mean, second);
            for (size_t c = 0; c < channels; c++)
                mean[c] /= n;
            NAME(spread)(channels, places, mean, m);
            NAME(channel_sums)(NAME(DEVIATIONS), &t, b->rows, channels, places, first, second);
            for (size_t c = 0; c < channels; c++) {
                REAL off = first[c] / n, v = second[c] / n - off * off;
                mean[c] += off;
                var[c] = v < 0 ? 0 : v;
            }
        }
        for (size_t c = 0; c < channels; c++) {
            first[c] = (weight ? weight[begin + c] : 1) / (REAL)sqrt(var[c] + eps);
            second[c] = bias ? bias[begin + c] : 0;
        }
        NAME(spread)(channels, places, mean, m);
        NAME(spread)(channels, places, first, scale);
        NAME(spread)(channels, places, second, shift);
        for (size_t i = 0; i < b->rows; i++)
            for (size_t j = 0, width; j < channels * places; j += width) {
                width = channels * places - j < COLUMNS ? channels * places - j : COLUMNS;
                const REAL *in = x + i * columns + j;
                REAL *out = y + i * columns + j;
                for (size_t k = 0; k < width; k++)
                    out[k] = (in[k] - m[k]) * scale[k] + shift[k];
            }
    }
}

/* batch_norm_backward_f32, batch_norm_backward_f64 */
static void NAME(batch_norm_backward)(const void *job, size_t begin, size_t end)
{
    const batch_norm_backward_job *b = job;
    size_t places = b->places, columns = b->channels * places;
    const REAL *weight = b->weight, eps = (REAL)b->eps, n = (REAL)(b->rows * places);
    for (size_t channels; begin < end; begin += channels) {
        channels = NAME(channels)(end - begin, places);
        const REAL *x = (const REAL *)b->x + begin * places, *dy = (const REAL *)b->dy + begin * places;
        const REAL *mean = (const REAL *)b->mean + begin, *var = (const REAL *)b->var + begin;
        REAL *dweight = (REAL *)b->dweight + begin, *dbias = (REAL *)b->dbias + begin, *dx = b->dx;
        REAL m[COLUMNS], s[COLUMNS], along_1[COLUMNS], along_h[COLUMNS], scale[COLUMNS];
        REAL inverse[COLUMNS], factor[COLUMNS], first[COLUMNS], second[COLUMNS];
        for (size_t c = 0; c < channels; c++) {
            inverse[c] = 1 / (REAL)sqrt(var[c] + eps);
            factor[c] = (weight ? weight[begin + c] : 1) * inverse[c];
        }
        NAME(spread)(channels, places, mean, m);
        NAME(spread)(channels, places, inverse, s);
        NAME(channel_sums)(
            NAME(GRADIENTS), &(NAME(summed)){columns, 0, x, dy, m, s}, b->rows, channels, places, dbias, dweight);
        for (size_t c = 0; c < channels; c++) { /* of dy, the parts along 1 and along h; outside training they stay */
            first[c] = b->training ? dbias[c] / n : 0;
            second[c] = b->training ? dweight[c] / n * inverse[c] : 0;
        }
        NAME(spread)(channels, places, first, along_1);
        NAME(spread)(channels, places, second, along_h);
        NAME(spread)(channels, places, factor, scale);
        for (size_t i = 0; dx && i < b->rows; i++)
            for (size_t j = 0, width; j < channels * places; j += width) {
                width = channels * places - j < COLUMNS ? channels * places - j : COLUMNS;
                const REAL *in = x + i * columns + j, *d = dy + i * columns + j;
                REAL *out = dx + begin * places + i * columns + j;
                for (size_t k = 0; k < width; k++)
                    out[k] = (d[k] - along_1[k] - (in[k] - m[k]) * along_h[k]) * scale[k];
            }
    }
}

/* cross_entropy_f32, cross_entropy_f64 */
static void NAME(cross_entropy)(const void *job, size_t begin, size_t end)
{
    const cross_entropy_job *c = job;
    const REAL *x = c->x;
    REAL *p = c->p, *losses = c->losses;
    for (size_t i = begin; i < end; i++) {
        const REAL *row = x + i * c->classes;
        REAL most = row[0];
        for (size_t j = 1; j < c->classes; j++)
            most = row[j] > most ? row[j] : most;
        for (size_t j = 0; j < c->classes; j++)
            p[i * c->classes + j] = row[j] - most;
        losses[i] = most - row[c->labels[i]];
    }
    for (size_t i = begin * c->classes; i < end * c->classes; i++)
        p[i] = NAME(exp)(p[i]);
    for (size_t i = begin; i < end; i++) {
        double sum = 0;
        for (size_t j = 0; j < c->classes; j++)
            sum += (double)p[i * c->classes + j];
        REAL part = (REAL)(1 / sum);
        for (size_t j = 0; j < c->classes; j++)
            p[i * c->classes + j] *= part;
        losses[i] = (REAL)((double)losses[i] + (sum > 0 ? log_f64(sum) : sum)); /* sum may be NaN */
    }
}

/* cross_entropy_backward_f32, cross_entropy_backward_f64 */
static void NAME(cross_entropy_backward)(const void *job, size_t begin, size_t end)
{
    const cross_entropy_backward_job *c = job;
    const REAL *p = c->p, *dy = c->dy;
    REAL *dx = c->dx;
    for (size_t i = begin; i < end; i++) {
        REAL d = dy[i * c->dy_step] * (REAL)c->factor;
        size_t label = i * c->classes + (size_t)c->labels[i];
        for (size_t j = i * c->classes; j < (i + 1) * c->classes; j++)
            dx[j] = p[j] * d;
        dx[label] = (p[label] - 1) * d;
    }
}

/* own_fused_f32, own_fused_f64 */
static const fused_kernels NAME(own_fused) = {
    ENTRY(elementwise),
    ENTRY(column_sums),
    ENTRY(batch_norm),
    ENTRY(batch_norm_backward),
    ENTRY(cross_entropy),
    ENTRY(cross_entropy_backward),
};

#undef BLOCK
#undef COLUMNS
#undef LEAST
#undef MOST
#undef ROUNDER
#undef SINGLE
