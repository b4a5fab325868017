/* sampling.c: deals big draws out to threads, and makes integers and permutations. The uniform and normal
 * distributions, one vector loop each, are in sampling_kernels.h; the words in philox.h. */
#include "sampling.h"

#include "threads.h"

#include <string.h>

/* Below this many samples a second thread costs more than it brings. */
enum { SAMPLES_PER_THREAD = 1 << 13 };

/* One draw, dealt out: what each thread needs to make its part. The other precision's sampler is NULL. */
typedef struct {
    draw whole;
    sampler_f32 *make_f32;
    sampler_f64 *make_f64;
    const distribution *source;
    void *out;
} dealt_draw;

static void make_part(const void *job, size_t begin, size_t end)
{
    const dealt_draw *d = job;
    uint64_t words = d->make_f32 ? 1 : 2;
    draw part = {d->whole.key, d->whole.position + begin * words, end - begin};
    if (d->make_f32)
        d->make_f32(part, d->source, (float *)d->out + begin);
    else
        d->make_f64(part, d->source, (double *)d->out + begin);
}

static void deal(draw whole, sampler_f32 *make_f32, sampler_f64 *make_f64, const distribution *source, void *out)
{
    dealt_draw d = {whole, make_f32, make_f64, source, out};
    threads_deal(whole.n, PHILOX_GROUP, 1 + whole.n / SAMPLES_PER_THREAD, make_part, &d);
}

void sample_uniform_f32(draw part, distribution source, float *out)
{
    deal(part, isa_current()->uniform_f32, NULL, &source, out);
}

void sample_uniform_f64(draw part, distribution source, double *out)
{
    deal(part, NULL, isa_current()->uniform_f64, &source, out);
}

void sample_normal_f32(draw part, distribution source, float *out)
{
    deal(part, isa_current()->normal_f32, NULL, &source, out);
}

void sample_normal_f64(draw part, distribution source, double *out)
{
    deal(part, NULL, isa_current()->normal_f64, &source, out);
}

void sample_words(philox_key key, uint64_t low, uint64_t high, size_t n, uint32_t *out)
{
    uint32_t group[PHILOX_GROUP];
    while (n) {
        size_t take = n < PHILOX_GROUP ? n : PHILOX_GROUP;
        isa_current()->philox_group(key, low, high, group);
        memcpy(out, group, take * sizeof *out);
        out += take;
        n -= take;
        high += low + PHILOX_GROUP / 4 < low;
        low += PHILOX_GROUP / 4;
    }
}

/* The 64 bits of the sample at a position, in the attempt-th separate stream (counter words 2 and 3). */
static uint64_t retry(philox_key key, uint64_t position, uint64_t attempt)
{
    uint32_t words[PHILOX_GROUP];
    isa_current()->philox_group(key, position / 4, attempt, words);
    const uint32_t *word = words + position % 4;
    return (uint64_t)word[0] << 32 | word[1];
}

static uint64_t multiply_high(uint64_t x, uint64_t y, uint64_t *low)
{
    uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
    uint64_t middle = x1 * y0 + (x0 * y0 >> 32), other = x0 * y1 + (uint32_t)middle;
    *low = x * y;
    return x1 * y1 + (middle >> 32) + (other >> 32);
}

/* A number below `range`, each exactly as likely as the others: Lemire's multiply and shift (ACM TOMACS 29, 2019).
 * x * range / 2^64 is rejected where its low half falls below 2^64 mod range; the next attempt asks another stream for
 * the same position, so that a rejection moves nobody else's words. range = 0 stands for 2^64. */
static uint64_t below(philox_key key, uint64_t position, uint64_t x, uint64_t range)
{
    if (range == 0)
        return x;
    uint64_t low, high = multiply_high(x, range, &low);
    if (low < range) {
        uint64_t least = (0 - range) % range;
        for (uint64_t attempt = 1; low < least; attempt++)
            high = multiply_high(retry(key, position, attempt), range, &low);
    }
    return high;
}

/* The 64 bits of sample i and of those after it, as many as one group holds; returns how many. */
enum { PAIRS = PHILOX_GROUP / 2 };

static size_t word_pairs(draw part, size_t i, uint64_t pair[PAIRS])
{
    uint32_t words[PHILOX_GROUP + 4];
    size_t n = part.n - i < PAIRS ? part.n - i : PAIRS;
    sample_words(part.key, (part.position + 2 * i) / 4, 0, 2 * n + 3, words);
    const uint32_t *word = words + part.position % 4;
    for (size_t j = 0; j < n; j++)
        pair[j] = (uint64_t)word[2 * j] << 32 | word[2 * j + 1];
    return n;
}

void sample_integers(draw part, int64_t low, uint64_t range, int64_t *out)
{
    uint64_t pair[PAIRS];
    for (size_t i = 0, n; i < part.n; i += n) {
        n = word_pairs(part, i, pair);
        for (size_t j = 0; j < n; j++)
            out[i + j] = (int64_t)((uint64_t)low + below(part.key, part.position + 2 * (i + j), pair[j], range));
    }
}

/* The shuffle of Fisher and Yates, inside out: the i-th number goes to a place at or before i. */
void sample_permutation(draw part, int64_t *out)
{
    uint64_t pair[PAIRS];
    for (size_t i = 0, n; i < part.n; i += n) {
        n = word_pairs(part, i, pair);
        for (size_t j = i; j < i + n; j++) {
            uint64_t place = below(part.key, part.position + 2 * j, pair[j - i], j + 1);
            out[j] = out[place];
            out[place] = (int64_t)j;
        }
    }
}
