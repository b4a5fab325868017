/* stages.c: the kernels as a row of steps, from the naive loop to what csrc/ does; docs/kernels.md explains them, stages.py
 * compiles, checks and times them. Leaves out whatever the next step does not need: odd sizes, strides, errors.
 *
 * The generic instruction set is included whole, for its static functions; the best one of this machine comes by isa.h. */
#include "isa_generic.c"

#include "matmul.h"
#include "sampling.h"

#include <stdlib.h>

static size_t least(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* Matmul: C (m x n) = A (m x k) B (k x n), all row after row; m, n and k are multiples of 32. */

/* 1. The definition, as one would write it down. */
void naive(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += a[i * k + p] * b[p * n + j];
            c[i * n + j] = sum;
        }
}

/* 2. The two inner loops change places: B and C are now walked along their rows. */
void reordered(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    memset(c, 0, m * n * sizeof *c);
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++)
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += a[i * k + p] * b[p * n + j];
}

/* 3. The same on blocks: 16 rows of B stay in the first cache while every row of A makes use of them. */
void blocked(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    memset(c, 0, m * n * sizeof *c);
    for (size_t pc = 0; pc < k; pc += 16)
        for (size_t i = 0; i < m; i++)
            for (size_t p = pc; p < pc + 16; p++)
                for (size_t j = 0; j < n; j++)
                    c[i * n + j] += a[i * k + p] * b[p * n + j];
}

/* 4. A tile of C, 4 x 16 numbers, stays in registers while p runs: it is written once, not k times. */
void tiled(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    for (size_t j = 0; j < n; j += 16)
        for (size_t i = 0; i < m; i += 4) {
            float c0[16] = {0}, c1[16] = {0}, c2[16] = {0}, c3[16] = {0};
            for (size_t p = 0; p < k; p++)
                for (size_t s = 0; s < 16; s++) {
                    float x = b[p * n + j + s];
                    c0[s] += a[i * k + p] * x;
                    c1[s] += a[(i + 1) * k + p] * x;
                    c2[s] += a[(i + 2) * k + p] * x;
                    c3[s] += a[(i + 3) * k + p] * x;
                }
            memcpy(c + i * n + j, c0, sizeof c0);
            memcpy(c + (i + 1) * n + j, c1, sizeof c1);
            memcpy(c + (i + 2) * n + j, c2, sizeof c2);
            memcpy(c + (i + 3) * n + j, c3, sizeof c3);
        }
}

/* 5. The tile in the vectors of this machine, with fused multiply-adds and as large as its registers allow: the micro-kernel. */
void vector_tiled(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    const microkernel_f32 *kernel = isa_current()->microkernel_f32;
    for (size_t j = 0; j < n; j += kernel->nr)
        for (size_t i = 0; i < m; i += kernel->mr) {
            size_t rows = least(m - i, kernel->mr), vectors = least(n - j, kernel->nr) / kernel->lanes;
            kernel->run(rows, vectors, k, a + i * k, (ptrdiff_t)k, 1, b + j, (ptrdiff_t)n, NULL, 0, 0, c + i * n + j,
                        (ptrdiff_t)n);
        }
}

/* 6. Packing: A and B are first copied into micro-panels, in the order in which the micro-kernel reads them and from the
 * beginning of a cache line, 256 numbers of k at a time so that a micro-panel of B stays in the first cache. */
void packed(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    const microkernel_f32 *kernel = isa_current()->microkernel_f32;
    size_t mr = kernel->mr, nr = kernel->nr, deep = 256;
    float *packed_a = aligned_alloc(64, (m + mr) * deep * sizeof *a), *packed_b = aligned_alloc(64, (n + nr) * deep * sizeof *b);
    for (size_t pc = 0; pc < k; pc += deep) {
        size_t depth = least(k - pc, deep);
        for (size_t i = 0; i < m; i += mr)
            kernel->pack(least(m - i, mr), depth, mr, a + i * k + pc, (ptrdiff_t)k, 1, packed_a + i * depth);
        for (size_t j = 0; j < n; j += nr)
            kernel->pack(least(n - j, nr), depth, nr, b + pc * n + j, 1, (ptrdiff_t)n, packed_b + j * depth);
        for (size_t j = 0; j < n; j += nr)
            for (size_t i = 0; i < m; i += mr) {
                float *tile = c + i * n + j;
                kernel->run(least(m - i, mr), least(n - j, nr) / kernel->lanes, depth, packed_a + i * depth, 1, (ptrdiff_t)mr,
                            packed_b + j * depth, (ptrdiff_t)nr, pc ? tile : NULL, (ptrdiff_t)n, 1, tile, (ptrdiff_t)n);
            }
    }
    free(packed_a);
    free(packed_b);
}

/* 7. What minidl calls. */
void whole(size_t m, size_t n, size_t k, const float *restrict a, const float *restrict b, float *restrict c)
{
    matmul_f32(m, n, k, a, (ptrdiff_t)k, 1, b, (ptrdiff_t)n, 1, NULL, c, (ptrdiff_t)n, 1);
}

/* Random numbers: n samples, a multiple of 1024, from the first words of one stream. */

static const philox_key KEY = {2011, 11};

/* What must not be inlined, so that the compiler does not make several at once: that is a step of its own. */
#define ONE_AT_A_TIME static __attribute__((noinline))

/* 1. Philox as the paper has it, four words from one counter. */
ONE_AT_A_TIME void one_counter(uint64_t counter, uint32_t word[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0, k0 = KEY.k0, k1 = KEY.k1;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1, c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

void words_one(size_t n, uint32_t *out)
{
    for (size_t i = 0; i < n; i += 4)
        one_counter(i / 4, out + i);
}

/* 2. Several counters side by side in vectors. */
void words_vectors(size_t n, uint32_t *out)
{
    sample_words(KEY, 0, 0, n, out);
}

/* 3. The upper 24 bits of a word, by 2^-24. */
void uniform_one(size_t n, float *out)
{
    uint32_t word[4];
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0)
            one_counter(i / 4, word);
        out[i] = (float)(word[i % 4] >> 8) * 0x1p-24f;
    }
}

/* 4. The same in vectors, words and all. */
void uniform_vectors(size_t n, float *out)
{
    sample_uniform_f32((draw){KEY, 0, n}, (distribution){0, 1, 0, 0, 0, 0, 0}, out);
}

/* The normal samples below get their words in vectors: what differs is what they do with them. */
typedef void from_words(const uint32_t word[1024], float out[1024]);

static void by_chunks(size_t n, float *out, from_words *make)
{
    uint32_t word[1024];
    for (size_t i = 0; i < n; i += 1024) {
        sample_words(KEY, i / 4, 0, 1024, word);
        make(word, out + i);
    }
}

/* 5. Box and Muller: two uniform numbers are the length and the angle of a vector of two normal ones. */
static void box_muller(const uint32_t word[1024], float out[1024])
{
    for (size_t i = 0; i < 1024; i += 2) {
        float u = ((float)word[i] + 0.5f) * 0x1p-32f, length = sqrtf(-2 * logf(u));
        float angle = (float)word[i + 1] * (0x1p-32f * 6.28318531f);
        out[i] = length * cosf(angle);
        out[i + 1] = length * sinf(angle);
    }
}

void normal_box_muller(size_t n, float *out)
{
    by_chunks(n, out, box_muller);
}

/* 6. Inversion by Wichura's rational functions, in double. */
ONE_AT_A_TIME float wichura(uint32_t word)
{
    double p = (word + 0.5) * 0x1p-32;
    return (float)quantile_f64(p, 1 - p);
}

static void wichuras(const uint32_t word[1024], float out[1024])
{
    for (size_t i = 0; i < 1024; i++)
        out[i] = wichura(word[i]);
}

void normal_wichura(size_t n, float *out)
{
    by_chunks(n, out, wichuras);
}

/* 7. Inversion by the table: an octave of the tail probability, a polynomial. */
ONE_AT_A_TIME float octave(uint32_t word)
{
    uint32_t upper = word >> 31, smaller = upper ? ~word : word; /* the tail that is below 1/2 */
    float r = ((float)smaller + 0.5f) * 0x1p-32f, x;
    uint32_t bits;
    memcpy(&bits, &r, 4);
    uint32_t k = (bits >> 23) - 95, mantissa = (bits & 0x7fffff) | 0x3f800000; /* r = 2^(k - 32) m */
    memcpy(&x, &mantissa, 4);
    x -= 1.5f;
    float z = QUANTILE[7][k];
    for (int j = 6; j >= 0; j--)
        z = z * x + QUANTILE[j][k];
    return upper ? -z : z;
}

static void octaves(const uint32_t word[1024], float out[1024])
{
    for (size_t i = 0; i < 1024; i++)
        out[i] = octave(word[i]);
}

void normal_table(size_t n, float *out)
{
    by_chunks(n, out, octaves);
}

/* 8. The same in vectors. */
void normal_vectors(size_t n, float *out)
{
    sample_normal_f32((draw){KEY, 0, n}, (distribution){-INFINITY, INFINITY, 0, 1, 0, 0, 1}, out);
}
