/* passes_loops.h: the template of the passes in passes.h; each isa_*.c includes it once per precision, with SUFFIX, REAL and
 * WORD (an unsigned integer as long).
 *
 * Plain loops, which compilers turn into vectors. Every line is a fixed sequence of correctly rounded operations, compiled
 * without contraction, so that all instruction sets give the same bits; the elementwise functions give those of their NumPy
 * twins, too. A sum over rows is one chain for each column. */
#include "log.h"
#include "passes.h"

#include <math.h>
#include <string.h>

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(stem) PASTE(stem, SUFFIX)
#define SINGLE (sizeof(REAL) == 4)

/* 1.5 2^23 or 1.5 2^52: to add it rounds to a whole number, which then stands in the last bits. */
#define ROUNDER ((REAL)(SINGLE ? 0x1.8p23 : 0x1.8p52))

/* 2^n for a whole number n, by writing it where a float has its exponent. */
static inline REAL NAME(power)(REAL n)
{
    REAL shifted = n + ROUNDER, power;
    WORD bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + (SINGLE ? 127 : 1023)) << (SINGLE ? 23 : 52);
    memcpy(&power, &bits, sizeof bits);
    return power;
}

/* e^r - 1 and n, with z = n ln 2 + r and |r| <= ln 2 / 2 (and a little): the sum of r^k / k! to k = 7 or 13. ln 2 comes in two
 * parts, the first so short that n times it is exact. */
static inline REAL NAME(reduced)(REAL z, REAL *n)
{
    static const double over_factorial[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    const REAL high = (REAL)(SINGLE ? 0x1.63p-1 : 0x1.62e4p-1), low = (REAL)(SINGLE ? -0x1.bd0106p-13 : 0x1.7f7d1cf79abcap-20);
    *n = (z * (REAL)0x1.71547652b82fep+0 + ROUNDER) - ROUNDER;
    REAL r = (z - *n * high) - *n * low, q = 0;
#pragma GCC unroll 16
    for (int k = SINGLE ? 7 : 13; k >= 2; k--)
        q = q * r + (REAL)over_factorial[k];
    return r + r * r * q;
}

/* e^z: 2^n in two steps, for it may be too large or too small for one. */
static inline REAL NAME(exp)(REAL z)
{
    const REAL least = SINGLE ? -104 : -746, most = SINGLE ? 89 : 710;
    z = z < least ? least : z;
    z = z > most ? most : z;
    REAL n, p = NAME(reduced)(z, &n), half = (n * (REAL)0.5 + ROUNDER) - ROUNDER;
    return (1 + p) * NAME(power)(half) * NAME(power)(n - half);
}

/* e^z - 1 for z up to 40, exact to the last bits near 0 too. */
static inline REAL NAME(expm1)(REAL z)
{
    z = z < -40 ? -40 : z;
    REAL n, p = NAME(reduced)(z, &n), power = NAME(power)(n);
    return p * power + (power - 1);
}

/* With e = e^(2|x|) - 1, |tanh x| = e / (e + 2); from 20 on it is 1. */
static inline REAL NAME(tanh)(REAL x)
{
    REAL z = 2 * (REAL)fabs(x), e = NAME(expm1)(z > 40 ? 40 : z), t = e / (e + 2);
    return SINGLE ? copysignf((float)t, (float)x) : (REAL)copysign(t, x);
}

/* 1 / (1 + e^-x), from e^-|x|, which cannot overflow. */
static inline REAL NAME(sigmoid)(REAL x)
{
    REAL e = NAME(exp)(-(REAL)fabs(x));
    return (x >= 0 ? 1 : e) / (1 + e);
}

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
        EACH(TANH_BACKWARD, dy[i] * (1 - x[i] * x[i]))
        EACH(SIGMOID, NAME(sigmoid)(x[i]))
        EACH(SIGMOID_BACKWARD, dy[i] * (x[i] * (1 - x[i])))
        EACH(RELU, x[i] < 0 ? 0 : x[i])
        EACH(RELU_BACKWARD, x[i] <= 0 ? 0 : dy[i])
        EACH(LEAKY_RELU, x[i] > 0 ? x[i] : a * x[i])
        EACH(LEAKY_RELU_BACKWARD, x[i] > 0 ? dy[i] : a * dy[i])
        EACH(ELU, x[i] > 0 ? a * x[i] : b * NAME(expm1)(x[i] > 0 ? 0 : x[i]))
        EACH(ELU_BACKWARD, dy[i] * (x[i] > 0 ? a : b * NAME(exp)(x[i] > 0 ? 0 : x[i])))
        EACH(SILU, x[i] * NAME(sigmoid)(x[i]))
        EACH(EXP, NAME(exp)(x[i]))
#undef EACH
    case SILU_BACKWARD:
        for (size_t i = begin; i < end; i++) {
            REAL s = NAME(sigmoid)(x[i]);
            out[i] = dy[i] * (s + x[i] * s * (1 - s));
        }
    }
}

/* Columns are worked on this many at a time: their rows stay in the first-level cache from one sweep to the next. */
#define COLUMNS 64

static void NAME(column_sums)(const void *job, size_t begin, size_t end)
{
    const column_sums_job *s = job;
    REAL *out = s->out;
    for (size_t width; begin < end; begin += width) {
        width = end - begin < COLUMNS ? end - begin : COLUMNS;
        REAL sum[COLUMNS] = {0};
        for (size_t i = 0; i < s->rows; i++)
            for (size_t j = 0; j < width; j++)
                sum[j] += ((const REAL *)s->x)[i * s->columns + begin + j];
        memcpy(out + begin, sum, width * sizeof *sum);
    }
}

static void NAME(batch_norm)(const void *job, size_t begin, size_t end)
{
    const batch_norm_job *b = job;
    const REAL *weight = b->weight, *bias = b->bias, eps = (REAL)b->eps, n = (REAL)b->rows;
    for (size_t width; begin < end; begin += width) {
        width = end - begin < COLUMNS ? end - begin : COLUMNS;
        const REAL *x = (const REAL *)b->x + begin;
        REAL *y = (REAL *)b->y + begin, *mean = (REAL *)b->mean + begin, *var = (REAL *)b->var + begin;
        REAL scale[COLUMNS], shift[COLUMNS], sum[COLUMNS] = {0}, squares[COLUMNS] = {0};
        if (b->training) {
            for (size_t i = 0; i < b->rows; i++)
                for (size_t j = 0; j < width; j++)
                    sum[j] += x[i * b->columns + j];
            for (size_t j = 0; j < width; j++)
                sum[j] /= n;
            for (size_t i = 0; i < b->rows; i++)
                for (size_t j = 0; j < width; j++) {
                    REAL centred = x[i * b->columns + j] - sum[j];
                    squares[j] += centred * centred;
                }
            for (size_t j = 0; j < width; j++)
                mean[j] = sum[j], var[j] = squares[j] / n;
        }
        for (size_t j = 0; j < width; j++) {
            sum[j] = mean[j];
            scale[j] = (weight ? weight[begin + j] : 1) / (REAL)sqrt(var[j] + eps);
            shift[j] = bias ? bias[begin + j] : 0;
        }
        for (size_t i = 0; i < b->rows; i++)
            for (size_t j = 0; j < width; j++)
                y[i * b->columns + j] = (x[i * b->columns + j] - sum[j]) * scale[j] + shift[j];
    }
}

static void NAME(batch_norm_backward)(const void *job, size_t begin, size_t end)
{
    const batch_norm_backward_job *b = job;
    const REAL *weight = b->weight, eps = (REAL)b->eps, n = (REAL)b->rows;
    for (size_t width; begin < end; begin += width) {
        width = end - begin < COLUMNS ? end - begin : COLUMNS;
        const REAL *x = (const REAL *)b->x + begin, *dy = (const REAL *)b->dy + begin;
        const REAL *mean = (const REAL *)b->mean + begin, *var = (const REAL *)b->var + begin;
        REAL *dx = (REAL *)b->dx, s[COLUMNS], m[COLUMNS], scale[COLUMNS], dweight[COLUMNS] = {0}, dbias[COLUMNS] = {0};
        for (size_t j = 0; j < width; j++) {
            m[j] = mean[j];
            s[j] = 1 / (REAL)sqrt(var[j] + eps);
            scale[j] = (weight ? weight[begin + j] : 1) * s[j];
        }
        for (size_t i = 0; i < b->rows; i++)
            for (size_t j = 0; j < width; j++) {
                REAL d = dy[i * b->columns + j];
                dbias[j] += d;
                dweight[j] += d * ((x[i * b->columns + j] - m[j]) * s[j]);
            }
        memcpy((REAL *)b->dweight + begin, dweight, width * sizeof *dweight);
        memcpy((REAL *)b->dbias + begin, dbias, width * sizeof *dbias);
        for (size_t j = 0; j < width; j++) { /* of dy, the parts along 1 and along h; outside training they stay */
            dbias[j] = b->training ? dbias[j] / n : 0;
            dweight[j] = b->training ? dweight[j] / n * s[j] : 0;
        }
        for (size_t i = 0; dx && i < b->rows; i++)
            for (size_t j = 0; j < width; j++) {
                REAL centred = x[i * b->columns + j] - m[j];
                dx[i * b->columns + begin + j] = (dy[i * b->columns + j] - dbias[j] - centred * dweight[j]) * scale[j];
            }
    }
}

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

/* From `begin` to `end` of the elements of all tensors in a row. */
static void NAME(sgd)(const void *job, size_t begin, size_t end)
{
    const sgd_job *s = job;
    const REAL lr = (REAL)s->lr, momentum = (REAL)s->momentum, share = (REAL)(1 - s->dampening), decay = (REAL)s->weight_decay;
    size_t first = 0;
    for (const sgd_tensor *t = s->tensors; t < s->tensors + s->count && first < end; first += t->n, t++) {
        size_t from = begin > first ? begin - first : 0, to = end - first < t->n ? end - first : t->n;
        REAL *p = t->p, *v = t->v;
        const REAL *gradient = t->g;
        for (size_t i = from; i < to; i++) {
            REAL g = gradient[i], step;
            if (s->weight_decay != 0)
                g += decay * p[i];
            step = g;
            if (v) {
                v[i] = t->fresh ? g : momentum * v[i] + share * g;
                step = s->nesterov ? g + momentum * v[i] : v[i];
            }
            p[i] -= lr * step;
        }
    }
}

#undef COLUMNS
#undef ROUNDER
#undef SINGLE
#undef NAME
#undef PASTE
#undef PASTE_
