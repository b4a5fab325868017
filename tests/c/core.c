/* core.c: the test program of csrc/, without Python, so that it runs under sanitizers and on other processors; how to build
 * it is in tools/check_core.sh.
 *
 * Philox is held to published known answers, matmul to one multiplication and addition after the other, the fused kernels to
 * numbers worked out by hand, and every instruction set, number of threads and cut of a call to plain C in one piece. It prints
 * hashes of the values themselves: the same on every machine. In tests/kernels samples and fused kernels are held to the NumPy
 * reference implementation. */
#include "convolution.h"
#include "fused.h"
#include "isa.h"
#include "matmul.h"
#include "optim.h"
#include "program.h"
#include "sampling.h"
#include "threads.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Sharing out must not change a bit, also where there are more threads than rows or columns to share. */
static const size_t THREADS[] = {1, 2, 3, 4, 8, 16};

static long passed, failed;

__attribute__((format(printf, 2, 3))) static void check(int right, const char *what, ...)
{
    passed += right;
    failed += !right;
    if (right || failed > 20)
        return;
    va_list arguments;
    va_start(arguments, what);
    printf("FAILED: ");
    vprintf(what, arguments);
    printf(" (%s)\n", isa_current()->name);
    va_end(arguments);
}

/* csrc has these in the place of malloc and free. So its memory can be made scarce, and counted; and it does not begin where one
 * would have it: as far behind a cache line as it may be, so that nothing is left over for those who round it up. */
static const long long PLENTY = 1ll << 60;
static _Atomic long long blocks_left = 1ll << 60, in_use;
static _Atomic int refused;
enum { BEHIND = 8 };

void *scarce_malloc(size_t size)
{
    void *line;
    refused |= blocks_left-- <= 0;
    if (refused || posix_memalign(&line, 64, size + BEHIND))
        return NULL;
    in_use++;
    return (char *)line + BEHIND;
}

void scarce_free(void *memory)
{
    in_use -= memory != NULL;
    free(memory ? (char *)memory - BEHIND : NULL);
}

/* Memory of exactly this size, so that a sanitizer sees what is read or written beyond it; full of 0xA5. */
static void *memory_of(size_t size)
{
    void *memory = malloc(size);
    if (!memory && size) {
        puts("no memory for the tests");
        exit(2);
    }
    if (size)
        memset(memory, 0xA5, size);
    return memory;
}

static int same(const void *x, const void *y, size_t size)
{
    return size == 0 || memcmp(x, y, size) == 0;
}

/* FNV-1a of numbers of 4 or 8 bytes, taken as little-endian whatever this machine is. */
#define HASH_OF_NOTHING 0xcbf29ce484222325u

static uint64_t hash(uint64_t h, const void *numbers, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits32;
        uint64_t bits;
        if (size == 4) {
            memcpy(&bits32, (const char *)numbers + 4 * i, 4);
            bits = bits32;
        } else {
            memcpy(&bits, (const char *)numbers + 8 * i, 8);
        }
        for (size_t byte = 0; byte < size; byte++)
            h = (h ^ (bits >> 8 * byte & 0xFF)) * 0x100000001b3u;
    }
    return h;
}

static void check_hash(const char *what, uint64_t h, uint64_t golden)
{
    printf("%-40s %016llx\n", what, (unsigned long long)h);
    check(h == golden, "hash of %s, expected %016llx", what, (unsigned long long)golden);
}

/* Philox */

/* The paper's section 4.3, one counter at a time. */
static void slow_philox(philox_key key, uint64_t low, uint64_t high, uint32_t word[4])
{
    uint32_t c[4] = {(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t left = (uint64_t)0xD2511F53 * c[0], right = (uint64_t)0xCD9E8D57 * c[2];
        c[0] = (uint32_t)(right >> 32) ^ c[1] ^ key.k0;
        c[1] = (uint32_t)right;
        c[2] = (uint32_t)(left >> 32) ^ c[3] ^ key.k1;
        c[3] = (uint32_t)left;
        key.k0 += 0x9E3779B9;
        key.k1 += 0xBB67AE85;
    }
    memcpy(word, c, sizeof c);
}

static void test_philox(void)
{
    static const struct {
        philox_key key;
        uint64_t low, high;
        uint32_t word[4];
    } known[] = {
        /* Random123 */
        {{0, 0}, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u}, ~0ull, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0xa4093822, 0x299f31d0}, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t *word = memory_of(4 * sizeof *word);
        sample_words(known[i].key, known[i].low, known[i].high, 4, word);
        check(same(word, known[i].word, sizeof known[i].word), "Philox: known answer %zu", i);
        free(word);
    }

    uint32_t *words = memory_of(10000 * sizeof *words);
    sample_words((philox_key){20111115, 0}, 0, 0, 10000, words);
    check(words[9999] == 1955073260, "Philox: the 10,000th word of C++26");
    free(words);

    /* Counters that carry into each of their words, and any number of words. */
    static const uint64_t lows[] = {0, 0xFFFFFFFF - 5, ~0ull - 17}, highs[] = {0, 0xFFFFFFFF, ~0ull};
    philox_key key = {0xDEADBEEF, 0x01234567};
    for (size_t l = 0; l < COUNT(lows); l++)
        for (size_t h = 0; h < COUNT(highs); h++)
            for (size_t n = 0; n < 140; n++) {
                uint32_t *word = memory_of(n * sizeof *word);
                int right = 1;
                sample_words(key, lows[l], highs[h], n, word);
                for (size_t i = 0; i < n; i += 4) {
                    uint32_t slow[4];
                    uint64_t low = lows[l] + i / 4;
                    slow_philox(key, low, highs[h] + (low < lows[l]), slow);
                    right &= same(word + i, slow, (n - i < 4 ? n - i : 4) * sizeof *word);
                }
                check(right, "Philox: %zu words of counter %zu %zu", n, l, h);
                free(word);
            }
}

/* Distributions */

enum kind { UNIFORM_F32, UNIFORM_F64, NORMAL_F32, NORMAL_F64, INTEGERS, PERMUTATION };

typedef struct {
    const char *name;
    enum kind kind;
    distribution source;
    uint64_t range;
    uint64_t golden;
} draw_case;

/* low, high, mean, std, p_low, q_high, width; range; hash */
static const draw_case DRAWS[] = {
    {"uniform float32 [0, 1)", UNIFORM_F32, {0, 1, 0, 0, 0, 0, 0}, 0, 0xfe964bdf43ffd34a},
    {"uniform float32 [1, 1 + 2^-23)", UNIFORM_F32, {1, 1 + 0x1p-23, 0, 0, 0, 0, 0}, 0, 0x0e2d3d0278d16248},
    {"uniform float64 [0, 1)", UNIFORM_F64, {0, 1, 0, 0, 0, 0, 0}, 0, 0x52b881eba32ad245},
    {"uniform float64 [0.1, 0.7)", UNIFORM_F64, {0.1, 0.7, 0, 0, 0, 0, 0}, 0, 0xa39220c5beee5e68},
    {"normal float32", NORMAL_F32, {-INFINITY, INFINITY, 0, 1, 0, 0, 1}, 0, 0x06ad7dce06033599},
    {"normal float32, subnormal", NORMAL_F32, {-INFINITY, INFINITY, 0, 1e-42, 0, 0, 1}, 0, 0xf5d0bbc63cdccb17},
    {"normal float32, +0 moved to -0", NORMAL_F32, {-0.0, 1, -0.0, 0, 0, 0, 1}, 0, 0x4e5c20cccc45e515},
    {"normal float32, -0 moved to +0", NORMAL_F32, {-1, 0, -0.0, 0, 0, 0, 1}, 0, 0x44b0135f0e0c9695},
    {"truncated normal float32 [-2, 2]", NORMAL_F32, {-2, 2, 0, 1, 0.02275, 0.02275, 0.9545}, 0, 0x0cf3d2c0f27016c3},
    {"half normal float32", NORMAL_F32, {0.5, INFINITY, 0.5, 2, 0.5, 0, 0.5}, 0, 0x1f4c9956a717d3bb},
    {"normal float64", NORMAL_F64, {-INFINITY, INFINITY, 0, 1, 0, 0, 1}, 0, 0x8fb0360ed60a237c},
    {"truncated normal float64 [-2, 2]", NORMAL_F64, {-2, 2, 0, 1, 0.02275, 0.02275, 0.9545}, 0, 0xe23e56713368b575},
    {"truncated normal float64 [8, 9]", NORMAL_F64, {8, 9, 0, 1, 1, 1.1e-19, 6.2e-16}, 0, 0xf8e6962481fe0663},
    {"integers below 6", INTEGERS, {0, 0, 0, 0, 0, 0, 0}, 6, 0x9128bac069a98c15},
    {"integers below 2^63 + 1", INTEGERS, {0, 0, 0, 0, 0, 0, 0}, (1ull << 63) + 1, 0xe3170cdce04c0669},
    {"permutation", PERMUTATION, {0, 0, 0, 0, 0, 0, 0}, 0, 0x9a7e03422daacabd},
};

static size_t size_of(const draw_case *c)
{
    return c->kind == UNIFORM_F32 || c->kind == NORMAL_F32 ? 4 : 8;
}

/* n samples from word `position`, in memory of exactly their size. */
static void *samples(const draw_case *c, uint64_t position, size_t n)
{
    draw part = {{0xDEADBEEF, 0x01234567}, position, n};
    void *out = memory_of(n * size_of(c));
    switch (c->kind) {
    case UNIFORM_F32: sample_uniform_f32(part, c->source, out); break;
    case UNIFORM_F64: sample_uniform_f64(part, c->source, out); break;
    case NORMAL_F32: sample_normal_f32(part, c->source, out); break;
    case NORMAL_F64: sample_normal_f64(part, c->source, out); break;
    case INTEGERS: sample_integers(part, -3, c->range, out); break;
    case PERMUTATION: sample_permutation(part, out); break;
    }
    return out;
}

static void choose(int isa)
{
    isa_choose(isa_available(isa));
}

/* Compares n samples with the expected ones, made by every instruction set in one piece, and, without threads, in two. */
static void check_samples(const draw_case *c, uint64_t position, size_t n, const void *expected)
{
    size_t size = size_of(c), words = size / 4;
    for (int isa = 0; isa_available(isa); isa++) {
        choose(isa);
        void *whole = samples(c, position, n);
        check(same(whole, expected, n * size), "%s: %zu samples from word %llu", c->name, n, (unsigned long long)position);
        free(whole);
        if (c->kind == PERMUTATION || threads_get() > 1)
            continue;
        for (size_t cut = n / 3; cut < n; cut += n / 2 + 1) {
            void *first = samples(c, position, cut), *second = samples(c, position + words * cut, n - cut);
            check(same(first, expected, cut * size) && same(second, (const char *)expected + cut * size, (n - cut) * size),
                  "%s: %zu samples from word %llu, cut at %zu", c->name, n, (unsigned long long)position, cut);
            free(first);
            free(second);
        }
    }
}

static void test_draw(const draw_case *c)
{
    /* A counter has 2^34 words before its second word counts. */
    static const uint64_t positions[] = {0, 1, 2, 3, 5, (1ull << 34) - 7, (1ull << 34) + 3};
    static const size_t sizes[] = {127, 128, 129, 511, 512, 513, 1023, 1024, 1025, 3001};
    for (size_t p = 0; p < COUNT(positions); p++)
        for (size_t s = 0; s < 70 + COUNT(sizes); s++) {
            size_t n = s < 70 ? s : sizes[s - 70];
            isa_choose("generic");
            void *expected = samples(c, positions[p], n);
            check_samples(c, positions[p], n, expected);
            free(expected);
        }

    size_t n = 100003; /* enough for three threads */
    uint64_t position = (1ull << 34) - 7;
    isa_choose("generic");
    void *expected = samples(c, position, n);
    for (size_t threads = 1; threads <= 3; threads++) {
        threads_set(threads);
        check_samples(c, position, n, expected);
    }
    threads_set(1);
    check_hash(c->name, hash(HASH_OF_NOTHING, expected, n, size_of(c)), c->golden);
    free(expected);
}

/* Matmul. `real` is the size of a number: 4 for float, 8 for double. */

static double get(size_t real, const void *memory, ptrdiff_t i)
{
    return real == 4 ? ((const float *)memory)[i] : ((const double *)memory)[i];
}

static void put(size_t real, void *memory, ptrdiff_t i, double x)
{
    if (real == 4)
        ((float *)memory)[i] = (float)x;
    else
        ((double *)memory)[i] = x;
}

/* REPEATED, where all rows are one row in memory, is for A and B only. */
enum layout { ROWS, COLUMNS, REVERSED, SPACED, REPEATED, LAYOUTS = REPEATED };

typedef struct {
    char *memory;
    size_t length; /* of the memory, in numbers */
    ptrdiff_t first, row, column;
} matrix;

static matrix new_matrix(size_t real, size_t rows, size_t columns, enum layout layout)
{
    ptrdiff_t m = (ptrdiff_t)rows, n = (ptrdiff_t)columns;
    matrix x = {NULL, 0, 0, 0, 0};
    switch (layout) {
    case ROWS: x.row = n, x.column = 1; break;
    case COLUMNS: x.row = 1, x.column = m; break;
    case REVERSED: x.row = -n, x.column = -1; break;
    case SPACED: x.row = 2 * n + 3, x.column = 2; break;
    case REPEATED: x.row = 0, x.column = 1; break;
    }
    if (m && n) {
        ptrdiff_t last = (m - 1) * x.row + (n - 1) * x.column;
        x.first = last < 0 ? -last : 0;
        x.length = (size_t)(last < 0 ? -last : last) + 1;
    }
    x.memory = memory_of(x.length * real);
    return x;
}

static size_t lanes_of(size_t real)
{
    return real == 4 ? isa_current()->microkernel_f32->lanes : isa_current()->microkernel_f64->lanes;
}

static ptrdiff_t place(matrix x, size_t i, size_t j)
{
    return x.first + (ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column;
}

/* C = A B with the matrices in the given layouts; `a`, `b` and `c` hold their elements row by row. */
static void product(size_t real, size_t m, size_t n, size_t k, const double *a, enum layout a_layout, const double *b,
                    enum layout b_layout, double *c, enum layout c_layout)
{
    matrix x = new_matrix(real, m, k, a_layout), y = new_matrix(real, k, n, b_layout), z = new_matrix(real, m, n, c_layout);
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++)
            put(real, x.memory, place(x, i, p), a[i * k + p]);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++)
            put(real, y.memory, place(y, p, j), b[p * n + j]);

    int status = real == 4
        ? matmul_f32(m, n, k, (float *)x.memory + x.first, x.row, x.column, (float *)y.memory + y.first, y.row, y.column, NULL,
                     (float *)z.memory + z.first, z.row, z.column)
        : matmul_f64(m, n, k, (double *)x.memory + x.first, x.row, x.column, (double *)y.memory + y.first, y.row, y.column, NULL,
                     (double *)z.memory + z.first, z.row, z.column);
    check(status == 0, "matmul: status of %zu x %zu x %zu", m, k, n);

    size_t written = 0;
    for (size_t i = 0; i < z.length; i++)
        written += !same(z.memory + i * real, "\xA5\xA5\xA5\xA5\xA5\xA5\xA5\xA5", real);
    check(written == m * n, "matmul: %zu numbers written for %zu x %zu", written, m, n);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * n + j] = get(real, z.memory, place(z, i, j));
    free(x.memory);
    free(y.memory);
    free(z.memory);
}

/* Numbers in [-1, 1), as many bits as a float has or 32; `repeated` gives all rows the values of the first. */
static double *values(size_t real, uint64_t seed, size_t rows, size_t columns, int repeated)
{
    uint32_t *words = memory_of(rows * columns * sizeof *words);
    double *x = memory_of(rows * columns * sizeof *x);
    sample_words((philox_key){7, 7}, 0, seed, rows * columns, words);
    for (size_t i = 0; i < rows * columns; i++) {
        uint32_t word = words[repeated ? i % columns : i];
        x[i] = real == 4 ? ((double)(word >> 8) - 0x1p23) * 0x1p-23 : ((double)word - 0x1p31) * 0x1p-31;
    }
    free(words);
    return x;
}

static double add(size_t real, double x, double y)
{
    return real == 4 ? (double)((float)x + (float)y) : x + y;
}

/* The sum of k products of numbers of `a` and numbers of `b`, which are n apart: one chain of fma() where `fused`, else of products
 * and sums that are rounded one by one; or `parts` such chains, one for each k modulo parts, which are then added by halves. */
static double chain(size_t real, int fused, size_t parts, size_t k, const double *a, const double *b, size_t n)
{
    double part[32] = {0};
    for (size_t p = 0; p < k; p++) {
        double x = a[p], y = b[p * n], *sum = part + p % parts;
        if (real == 4)
            *sum = fused ? fmaf((float)x, (float)y, (float)*sum) : (float)((float)((float)x * (float)y) + (float)*sum);
        else
            *sum = fused ? fma(x, y, *sum) : x * y + *sum;
    }
    for (size_t half = parts / 2; half; half /= 2)
        for (size_t q = 0; q < half; q++)
            part[q] = add(real, part[q], part[q + half]);
    return part[0];
}

/* The same for any k: more than 4,096 in two halves, the first of whole lines of 64; and those of one chain (parts is 1) in equal
 * blocks of at most 512, one sum after the other. */
static double sum_of_products(size_t real, int fused, size_t parts, size_t k, const double *a, const double *b, size_t n)
{
    if (k > 4096) {
        size_t half = (k / 2 + 63) / 64 * 64;
        return add(real, sum_of_products(real, fused, parts, half, a, b, n),
                   sum_of_products(real, fused, parts, k - half, a + half, b + half * n, n));
    }
    size_t blocks = parts == 1 ? (k + 511) / 512 : 1, each = blocks ? (k + blocks - 1) / blocks : 0;
    double sum = chain(real, fused, parts, each, a, b, n);
    for (size_t p = each; p < k; p += each)
        sum = add(real, sum, chain(real, fused, parts, k - p < each ? k - p : each, a + p, b + p * n, n));
    return sum;
}

static void chains(size_t real, int fused, size_t parts, size_t m, size_t n, size_t k, const double *a, const double *b,
                   double *c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * n + j] = sum_of_products(real, fused, parts, k, a + i * k, b + j, n);
}

/* One product with A and B in each of the layouts `from` ... `to`, by every instruction set and the first `counts` of THREADS. Hashes
 * the elements of C on to h[0], those of generic's on to h[1]. */
static void check_product(size_t real, size_t m, size_t k, size_t n, enum layout from, enum layout to,
                          size_t counts, uint64_t h[2])
{
    double *a = values(real, 1, m, k, from == REPEATED), *b = values(real, 2, k, n, from == REPEATED);
    double *fused = memory_of(m * n * sizeof *fused), *plain = memory_of(m * n * sizeof *plain);
    double *c = memory_of(m * n * sizeof *c), *dots = memory_of(m * n * sizeof *dots);
    chains(real, 1, 1, m, n, k, a, b, fused);
    chains(real, 0, 1, m, n, k, a, b, plain);
    for (size_t i = 0; i < m * n; i++) {
        h[0] = real == 4 ? hash(h[0], &(float){(float)fused[i]}, 1, 4) : hash(h[0], &fused[i], 1, 8);
        h[1] = real == 4 ? hash(h[1], &(float){(float)plain[i]}, 1, 4) : hash(h[1], &plain[i], 1, 8);
    }

    for (int isa = 0; isa_available(isa); isa++) {
        choose(isa);
        const double *expected = strcmp(isa_current()->name, "generic") == 0 ? plain : fused;
        for (enum layout a_layout = from; a_layout <= to; a_layout++)
            for (enum layout b_layout = from; b_layout <= to; b_layout++)
                for (size_t t = 0; t < counts; t++) {
                    enum layout c_layout = (a_layout + b_layout) % LAYOUTS;
                    threads_set(THREADS[t]);
                    product(real, m, n, k, a, a_layout, b, b_layout, c, c_layout);
                    int right = same(c, expected, m * n * sizeof *c);
                    if (!right && (m == 1 || n == 1)) { /* as the dot products that one row or column may be */
                        chains(real, expected == fused, 128 / real, m, n, k, a, b, dots);
                        right = same(c, dots, m * n * sizeof *c);
                    }
                    check(right, "matmul, numbers of %zu bytes: %zu x %zu x %zu in layouts %d %d %d, %zu threads", real, m, k,
                          n, a_layout, b_layout, c_layout, THREADS[t]);
                }
    }
    threads_set(1);
    free(a);
    free(b);
    free(fused);
    free(plain);
    free(dots);
    free(c);
}

static void test_matmul(size_t real, uint64_t h[2])
{
    static const size_t small[] = {0, 1, 2, 3, 5, 9, 17, 33}, sizes = COUNT(small);
    /* m, k, n across the blocks of matmul.c: KC = 512 deep, MC = 256 high, NC = 1024 wide. The last is so large that A and B
     * are packed, and dealt out to three threads. */
    static const size_t large[][3] = {{7, 5, 2049}, {9, 1035, 5}, {1, 515, 1}, {1, 515, 7}, {265, 1, 265}, {265, 515, 129},
        {3, 9000, 5}, {1, 9000, 3}, {17, 4097, 25}, /* a depth cut in halves */
        {1, 210000, 8}, {1, 1600000, 1}, {200000, 8, 1}, {17, 6000, 17}}; /* a row, or nothing, for the last thread */
    h[0] = h[1] = HASH_OF_NOTHING;
    for (size_t i = 0; i < sizes * sizes * sizes; i++)
        check_product(real, small[i % sizes], small[i / sizes % sizes], small[i / sizes / sizes], ROWS, SPACED, 1, h);
    check_product(real, 14, 7, 19, REPEATED, REPEATED, 1, h);
    for (size_t i = 0; i < COUNT(large); i++)
        check_product(real, large[i][0], large[i][1], large[i][2], ROWS, COLUMNS, COUNT(THREADS), h);
}

/* `pack` on its own: where the drawing in isa.h has each element, its zeros, and its dots. */
static void *packed(size_t real, size_t length, size_t depth, size_t width, matrix x)
{
    void *out = memory_of(((length + width - 1) / width * width * depth + lanes_of(real)) * real);
    if (real == 4)
        isa_current()->microkernel_f32->pack(length, depth, width, (float *)x.memory + x.first, x.row, x.column, out);
    else
        isa_current()->microkernel_f64->pack(length, depth, width, (double *)x.memory + x.first, x.row, x.column, out);
    return out;
}

static void check_pack(size_t real, size_t length, size_t depth, size_t width, enum layout layout, int turned)
{
    matrix x = turned ? new_matrix(real, depth, length, layout) : new_matrix(real, length, depth, layout);
    if (turned) {
        ptrdiff_t row = x.row;
        x.row = x.column;
        x.column = row;
    }
    for (size_t e = 0; e < x.length; e++)
        put(real, x.memory, (ptrdiff_t)e, 1 + (double)e);
    void *out = packed(real, length, depth, width, x);
    int right = 1;
    ptrdiff_t at = 0;
    for (size_t begin = 0; begin < length; begin += width)
        for (size_t p = 0; p < depth; p++)
            for (size_t i = begin; i < begin + width; i++, at++)
                if (i < length)
                    right &= get(real, out, at) == get(real, x.memory, place(x, i, p));
                else if ((i - begin) / lanes_of(real) == (length - 1 - begin) / lanes_of(real)) /* in the last vector */
                    right &= get(real, out, at) == 0;
    check(right, "pack, numbers of %zu bytes: %zu x %zu in layout %d%s, in micro-panels of %zu", real, length, depth, layout,
          turned ? ", transposed" : "", width);
    free(x.memory);
    free(out);
}

static void test_pack(size_t real)
{
    size_t lanes = lanes_of(real), mr = real == 4 ? isa_current()->microkernel_f32->mr : isa_current()->microkernel_f64->mr;
    size_t widths[] = {mr, lanes, 2 * lanes, 3 * lanes, ROW_VECTORS * lanes};
    size_t depths[] = {1, 2, lanes, lanes + 1, PACKED_AT_ONCE, PACKED_AT_ONCE + 1, 2 * lanes + 3};
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t d = 0; d < COUNT(depths); d++)
            for (size_t length = 1; length <= 2 * widths[w] + 1; length += 1 + widths[w] / 16)
                for (enum layout layout = ROWS; layout <= REPEATED; layout++)
                    for (int turned = 0; turned < 2; turned++)
                        check_pack(real, length, depths[d], widths[w], layout, turned);

    if (lanes != 2)
        return;
    static const char drawn[] = "adgjbehkcfilm0..n0..o0..";
    matrix x = new_matrix(real, 5, 3, ROWS);
    for (ptrdiff_t e = 0; e < 15; e++)
        put(real, x.memory, e, 'a' + (double)e);
    void *out = packed(real, 5, 3, 4, x);
    int right = 1;
    for (ptrdiff_t e = 0; drawn[e]; e++)
        right &= drawn[e] == '.' || get(real, out, e) == (drawn[e] == '0' ? 0 : drawn[e]);
    check(right, "pack: the drawing in isa.h");
    free(x.memory);
    free(out);
}

/* The products that need memory, where the n-th block of it cannot be had. */
static void test_no_memory(size_t real)
{
    static const size_t sizes[][3] = {{2, 300, 65}, {70, 600, 65}, {300, 300, 300}, {1, 20000, 3}, {9, 20000, 20}};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t m = sizes[s][0], k = sizes[s][1], n = sizes[s][2];
        void *a = memory_of(m * k * real), *b = memory_of(k * n * real), *c = memory_of(m * n * real);
        memset(a, 0, m * k * real);
        memset(b, 0, k * n * real);
        for (size_t t = 0; t < 3; t++) {
            threads_set(THREADS[t]);
            long long had = PLENTY; /* at first, so that no helper is made later */
            for (int done = 0; !done; had = had == PLENTY ? 0 : had + 1) {
                long long before = in_use;
                refused = 0;
                blocks_left = had;
                int status = real == 4
                    ? matmul_f32(m, n, k, a, (ptrdiff_t)k, 1, b, 1, (ptrdiff_t)k, NULL, c, (ptrdiff_t)n, 1)
                    : matmul_f64(m, n, k, a, (ptrdiff_t)k, 1, b, 1, (ptrdiff_t)k, NULL, c, (ptrdiff_t)n, 1);
                blocks_left = PLENTY;
                check(status == (refused ? -1 : 0) && in_use == before,
                      "matmul: %zu x %zu x %zu, %zu threads, memory for %lld blocks: status %d", m, k, n, THREADS[t], had, status);
                done = had != PLENTY && !refused;
            }
            check(had > 1, "matmul: %zu x %zu x %zu without memory", m, k, n);
        }
        threads_set(1);
        free(a);
        free(b);
        free(c);
    }
}

/* C = bias + A B^T, as a linear layer has it, of whole numbers so small that nothing is rounded. */
static void test_bias(size_t real)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 9, 5}, {7, 1, 3}, {5, 33, 17}, {13, 70, 0}, {130, 1, 300}, {1, 2100, 515},
        {265, 129, 65}, {70, 300, 65}, {40, 411, 33}, {100, 411, 600}}; /* more columns than one group of micro-panels has */
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        double *numbers = values(real, 3, 1, m * k + n * k + n, 0);
        void *a = memory_of(m * k * real), *b = memory_of(n * k * real), *bias = memory_of(n * real);
        for (size_t i = 0; i < m * k + n * k + n; i++) {
            double whole = floor(8 * numbers[i]);
            if (i < n)
                put(real, bias, (ptrdiff_t)i, whole);
            else if (i < n + m * k)
                put(real, a, (ptrdiff_t)(i - n), whole);
            else
                put(real, b, (ptrdiff_t)(i - n - m * k), whole);
        }
        for (int isa = 0; isa_available(isa); isa++)
            for (size_t t = 0; t < COUNT(THREADS); t++) {
                choose(isa);
                threads_set(THREADS[t]);
                void *c[2];
                for (int with = 0; with < 2; with++) {
                    void *added = with ? bias : NULL;
                    ptrdiff_t row = (ptrdiff_t)k, c_row = (ptrdiff_t)n;
                    c[with] = memory_of(m * n * real);
                    if (real == 4)
                        matmul_f32(m, n, k, a, row, 1, b, 1, row, added, c[with], c_row, 1);
                    else
                        matmul_f64(m, n, k, a, row, 1, b, 1, row, added, c[with], c_row, 1);
                }
                int right = 1;
                for (size_t i = 0; i < m * n; i++)
                    right &= get(real, c[1], (ptrdiff_t)i)
                        == get(real, c[0], (ptrdiff_t)i) + get(real, bias, (ptrdiff_t)(i % n));
                check(right, "a product with bias, numbers of %zu bytes: %zu x %zu x %zu, %zu threads", real, m, k, n, THREADS[t]);
                free(c[0]);
                free(c[1]);
            }
        threads_set(1);
        free(numbers);
        free(a);
        free(b);
        free(bias);
    }
}

/* Convolutions */

static int convolve(size_t real, const convolution *s, const void *x, const void *w, const void *bias, void *y)
{
    return real == 4 ? convolve_f32(s, x, w, bias, y) : convolve_f64(s, x, w, bias, y);
}

static int input_gradient(size_t real, const convolution *s, const void *dy, const void *w, const void *bias, void *dx)
{
    return real == 4 ? convolve_input_gradient_f32(s, dy, w, bias, dx) : convolve_input_gradient_f64(s, dy, w, bias, dx);
}

static int weight_gradient(size_t real, const convolution *s, const void *x, const void *dy, void *dw)
{
    return real == 4 ? convolve_weight_gradient_f32(s, x, dy, dw) : convolve_weight_gradient_f64(s, x, dy, dw);
}

/* The number that tap (t, l) meets at place (a, b) of a plane, or 0. */
static double met(const convolution *s, const double *plane, size_t t, size_t l, size_t a, size_t b)
{
    ptrdiff_t y = (ptrdiff_t)a * s->stride[0] + (ptrdiff_t)t * s->dilation[0] - s->padding[0];
    ptrdiff_t x = (ptrdiff_t)b * s->stride[1] + (ptrdiff_t)l * s->dilation[1] - s->padding[1];
    int inside = y >= 0 && x >= 0 && y < (ptrdiff_t)s->size[0] && x < (ptrdiff_t)s->size[1];
    return inside ? plane[(size_t)y * s->size[1] + (size_t)x] : 0;
}

/* What three functions make of numbers, by definition, in the chains of a product: output, weight gradient, and, tap by tap, the
 * terms of the input gradient. */
static void check_convolution(size_t real, const convolution *s)
{
    const size_t taps = s->channels * s->kernel[0] * s->kernel[1], plane = s->size[0] * s->size[1], places = s->out[0] * s->out[1];
    const int one_chain = taps <= 512; /* a bias is added to the first */
    const size_t nx = s->images * s->groups * s->channels * plane, nw = s->groups * s->filters * taps;
    const size_t ny = s->images * s->groups * s->filters * places, deep = s->images * places;
    double *numbers = values(real, 5, 1, nx + nw + ny + s->groups * s->filters, 0), *bias = numbers + nx + nw + ny;
    double *x = numbers, *w = x + nx, *dy = w + nw, *row = memory_of((taps > deep ? taps : deep) * sizeof *row);
    double *y[2], *dw[2], *dx = memory_of(nx * sizeof *dx), *one = memory_of((deep + taps) * sizeof *one);
    memset(dx, 0, nx * sizeof *dx);
    for (int fused = 0; fused < 2; fused++) {
        y[fused] = memory_of(ny * sizeof **y);
        dw[fused] = memory_of(nw * sizeof **dw);
    }
    for (size_t i = 0; i < ny; i++) { /* image, group, filter, place */
        size_t place = i % places, o = i / places % (s->groups * s->filters), g = o / s->filters, image = i / places / (s->groups * s->filters);
        for (size_t p = 0; p < taps; p++) {
            size_t c = p / s->kernel[1] / s->kernel[0], t = p / s->kernel[1] % s->kernel[0], l = p % s->kernel[1];
            const double *from = x + ((image * s->groups + g) * s->channels + c) * plane;
            row[p] = met(s, from, t, l, place / s->out[1], place % s->out[1]);
            ptrdiff_t v = (ptrdiff_t)(place / s->out[1]) * s->stride[0] + (ptrdiff_t)t * s->dilation[0] - s->padding[0];
            ptrdiff_t h = (ptrdiff_t)(place % s->out[1]) * s->stride[1] + (ptrdiff_t)l * s->dilation[1] - s->padding[1];
            if (v >= 0 && h >= 0 && v < (ptrdiff_t)s->size[0] && h < (ptrdiff_t)s->size[1])
                dx[from - x + v * (ptrdiff_t)s->size[1] + h] += w[o * taps + p] * dy[i];
        }
        for (int fused = 0; fused < 2; fused++)
            y[fused][i] = add(real, sum_of_products(real, fused, 1, taps, w + o * taps, row, 1), one_chain ? bias[o] : 0);
    }
    for (size_t i = 0; i < nw; i++) { /* group, filter, tap */
        size_t p = i % taps, o = i / taps, c = p / s->kernel[1] / s->kernel[0];
        for (size_t q = 0; q < deep; q++) {
            size_t image = q / places, place = q % places;
            row[q] = met(s, x + ((image * s->groups + o / s->filters) * s->channels + c) * plane, p / s->kernel[1] % s->kernel[0],
                         p % s->kernel[1], place / s->out[1], place % s->out[1]);
            one[q] = dy[(image * s->groups * s->filters + o) * places + place];
        }
        for (int fused = 0; fused < 2; fused++)
            dw[fused][i] = sum_of_products(real, fused, 1, deep, one, row, 1);
    }

    void *in[4], *out[3];
    const double *from[4] = {x, w, dy, bias};
    size_t lengths[4] = {nx, nw, ny, s->groups * s->filters}, made[3] = {ny, nw, nx};
    for (int i = 0; i < 4; i++) {
        in[i] = memory_of(lengths[i] * real);
        for (size_t j = 0; j < lengths[i]; j++)
            put(real, in[i], (ptrdiff_t)j, from[i][j]);
    }
    for (int isa = 0; isa_available(isa); isa++)
        for (size_t t = 0; t < COUNT(THREADS); t++) {
            choose(isa);
            threads_set(THREADS[t]);
            int fused = strcmp(isa_current()->name, "generic") != 0, right = 1;
            for (int i = 0; i < 3; i++)
                out[i] = memory_of(made[i] * real);
            int status = convolve(real, s, in[0], in[1], one_chain ? in[3] : NULL, out[0]) | weight_gradient(real, s, in[0], in[2], out[1])
                | input_gradient(real, s, in[2], in[1], NULL, out[2]);
            for (size_t i = 0; i < ny; i++)
                right &= get(real, out[0], (ptrdiff_t)i) == y[fused][i];
            for (size_t i = 0; i < nw; i++)
                right &= get(real, out[1], (ptrdiff_t)i) == dw[fused][i];
            for (size_t i = 0; i < nx; i++)
                right &= fabs(get(real, out[2], (ptrdiff_t)i) - dx[i]) < (real == 4 ? 1e-4 : 1e-12);
            check(right && status == 0, "a convolution, numbers of %zu bytes, %zu images of %zu x %zu, %zu groups, %zu threads", real,
                  s->images, s->size[0], s->size[1], s->groups, THREADS[t]);
            for (int i = 0; i < 3; i++)
                free(out[i]);
        }
    threads_set(1);

    void *places_for = memory_of((nx + nw + ny) * real);
    for (int function = 0; function < 3; function++) { /* where the n-th block of memory cannot be had */
        refused = 1;
        for (long long had = 0; refused; had++) {
            long long before = in_use;
            refused = 0;
            blocks_left = had;
            int status = function == 0 ? convolve(real, s, in[0], in[1], NULL, places_for)
                : function == 1        ? weight_gradient(real, s, in[0], in[2], places_for)
                                       : input_gradient(real, s, in[2], in[1], NULL, places_for);
            blocks_left = PLENTY;
            check(status == (refused ? -1 : 0) && in_use == before, "a convolution without memory: function %d, %lld blocks", function, had);
        }
    }
    free(places_for);
    for (int i = 0; i < 4; i++)
        free(in[i]);
    for (int fused = 0; fused < 2; fused++) {
        free(y[fused]);
        free(dw[fused]);
    }
    free(numbers);
    free(row);
    free(one);
    free(dx);
}

static void test_convolution(size_t real)
{
    static const convolution sizes[] = { /* images, groups, channels, filters; size, kernel, out; stride, padding, dilation */
        {2, 1, 3, 7, {5, 9}, {3, 3}, {5, 9}, {1, 1}, {1, 1}, {1, 1}},
        {2, 2, 3, 5, {7, 8}, {1, 1}, {7, 8}, {1, 1}, {0, 0}, {1, 1}},
        {2, 1, 3, 5, {8, 5}, {4, 1}, {3, 5}, {3, 1}, {1, 0}, {1, 1}},
        {2, 2, 2, 5, {9, 8}, {3, 2}, {5, 6}, {2, 2}, {3, 2}, {2, 1}},
        {3, 5, 1, 1, {9, 19}, {3, 3}, {9, 19}, {1, 1}, {1, 1}, {1, 1}},
        {3, 3, 1, 2, {9, 19}, {5, 3}, {4, 9}, {2, 2}, {1, 0}, {1, 1}},
        {40, 3, 1, 1, {11, 10}, {3, 3}, {11, 10}, {1, 1}, {1, 1}, {1, 1}}, /* more than 4,096 places */
        {2, 1, 9, 2, {12, 33}, {3, 3}, {12, 17}, {1, 2}, {1, 1}, {1, 1}},
        {1, 1, 60, 5, {6, 7}, {3, 3}, {6, 7}, {1, 1}, {1, 1}, {1, 1}}, /* more than one chain of taps */
        {9, 1, 20, 30, {9, 11}, {3, 3}, {9, 11}, {1, 1}, {1, 1}, {1, 1}},
        {2, 1, 2, 6, {2, 3}, {5, 6}, {2, 2}, {1, 1}, {2, 2}, {1, 1}},
        {1, 1, 60, 8, {6, 16}, {3, 3}, {6, 16}, {1, 1}, {1, 1}, {1, 1}}, /* more than one chain over rows of whole vectors */
        {2, 1, 13, 20, {11, 31}, {4, 4}, {5, 15}, {2, 2}, {1, 1}, {1, 1}},
        {2, 1, 3, 5, {11, 1}, {3, 1}, {11, 1}, {1, 1}, {1, 0}, {1, 1}}, /* a single column */
        {17, 1, 61, 7, {2, 3}, {3, 3}, {2, 3}, {1, 1}, {1, 1}, {1, 1}}, /* images side by side */
        {37, 2, 3, 5, {5, 3}, {3, 2}, {4, 2}, {2, 3}, {2, 1}, {1, 1}},
        {11, 1, 3, 5, {1, 6}, {3, 2}, {3, 7}, {1, 1}, {2, 1}, {1, 1}}, /* a single row */
        {23, 1, 4, 6, {5, 1}, {7, 3}, {5, 1}, {1, 1}, {3, 1}, {1, 1}}, /* a kernel larger than the image */
        {7, 2, 2, 5, {1, 1}, {1, 1}, {7, 1}, {1, 1}, {3, 0}, {1, 1}}, /* places that meet nothing but padding */
        {9, 1, 1, 5, {2, 3}, {3, 3}, {1, 1}, {4, 4}, {1, 1}, {1, 1}}, /* strides larger than the image */
    };
    for (size_t i = 0; i < COUNT(sizes); i++)
        check_convolution(real, &sizes[i]);
}

/* Fused kernels */

enum { GUARD = 64 }; /* bytes */

/* What is fused: every elementwise_function, and then these. */
enum {
    SUMS = LOG + 1, NORM, NORM_EVALUATED, NORM_BACKWARD, NORM_EVALUATED_BACKWARD, ENTROPY, ENTROPY_BACKWARD,
    SGD, NESTEROV, ADAM, ADAMW, RMSPROP,
};

static const struct {
    const char *name;
    uint64_t golden[2]; /* float32, float64 */
} FUSED[] = {
    {"tanh", {0xc0552d3662dfeb0b, 0xe98dcfa70fd97b0d}},
    {"tanh backward", {0x237371f761e9c490, 0xb30fc5fa546a0ec0}},
    {"sigmoid", {0x566e17959d344ea1, 0x91fab769d1623946}},
    {"sigmoid backward", {0x65a3de6b3bae3070, 0xc96e9260e0afe650}},
    {"relu", {0x2c414d83324910af, 0x3b9963a3eddfa879}},
    {"relu backward", {0x2875b980842b7ce7, 0x4730107686ffb54c}},
    {"leaky relu", {0x9a2c1a30b5158c86, 0x215cedae119d2d44}},
    {"leaky relu backward", {0x458650c2564cf088, 0x243a0e0d602e9a48}},
    {"elu", {0xce66da569e3864a0, 0x55e5bce9b8457aa8}},
    {"elu backward", {0x74f3b248a271ca61, 0xf553ac02e64ad840}},
    {"silu", {0x4fdac0d2dc9cde7c, 0x6a449cd42bb2b93f}},
    {"silu backward", {0x8cfb644704b49438, 0xee265655eb767534}},
    {"gelu", {0x193d217c76ed2c72, 0x4561ec54ce6a2390}},
    {"gelu backward", {0x80f5073e026a7c44, 0x53ade88f9236a2d6}},
    {"exp", {0x98971fcdef4a420b, 0x67ff44ef15f44403}},
    {"log", {0x48df78d40fcd278c, 0x3ea20cc574dd0045}},
    {"column sums", {0x257d7313b6de75d7, 0x6a8b54086e8cc767}},
    {"batch norm in training", {0x9e5f941551c33431, 0x3848a858acd930f1}},
    {"batch norm in evaluation", {0xe4634bdc4a05224c, 0xd467350208955f48}},
    {"batch norm backward in training", {0xafeae2510dbffe24, 0x9c36057e284b91a2}},
    {"batch norm backward in evaluation", {0xe7f731334d31550f, 0xad71880cdcd565ff}},
    {"cross-entropy", {0xac1f2941b9678ecc, 0x7e170e84bdbcbdbf}},
    {"cross-entropy backward", {0xcb1b04c5660fe3e5, 0x43430ab31f3b9ba2}},
    {"SGD", {0xb2bfe0fa6c55a5ac, 0x1550118ac15795e2}},
    {"SGD with Nesterov momentum", {0xe84e830aebd17e98, 0xed3dc072d588ada6}},
    {"Adam", {0x6c1ac165e349c535, 0x7a39600de99e2e3d}},
    {"AdamW", {0x710044d12dd13193, 0x6bd0e13e1e3449d6}},
    {"RMSprop", {0x60b4bd83ec56e405, 0x248f4acd9656c410}},
};

/* n numbers in memory of exactly their size: from 2^-20 to 1000 in size, and, if `all`, what is special. */
static void *numbers(size_t real, uint64_t seed, size_t n, int all)
{
    static const double scale[] = {1, 10, 100, 1000, 0x1p-20};
    static const double special[] = {0.0, -0.0, 1e-40, -1e-310, 104, -745, INFINITY, -INFINITY, NAN};
    double *x = values(real, seed, 1, n, 0);
    void *out = memory_of(n * real);
    for (size_t i = 0; all && i < n; i++)
        x[i] = i % 11 == 10 ? special[i / 11 % COUNT(special)] : x[i] * scale[i % COUNT(scale)];
    for (size_t i = 0; i < n; i++)
        put(real, out, (ptrdiff_t)i, x[i]);
    free(x);
    return out;
}

/* Memory for n numbers, and behind it a guard; `result` says whether that is whole, hashes the numbers on to h, and frees it.
 * Any NaN counts as the same one. */
static void *place_for(size_t real, size_t n)
{
    return memory_of(n * real + GUARD);
}

static uint64_t result(size_t real, void *out, size_t n, uint64_t h, const char *name)
{
    int whole = 1;
    for (size_t i = 0; i < GUARD; i++)
        whole &= ((unsigned char *)out)[n * real + i] == 0xA5;
    check(whole, "%s: bytes after %zu numbers of %zu bytes", name, n, real);
    for (size_t i = 0; i < n; i++)
        if (isnan(get(real, out, (ptrdiff_t)i)))
            h = hash(h, &(uint32_t){0x7fc00000}, 1, 4);
        else
            h = hash(h, (char *)out + i * real, 1, real);
    free(out);
    return h;
}

/* The hash of all that a fused kernel makes of fixed input of this size. */
static uint64_t made(int kind, size_t real, size_t rows, size_t columns)
{
    const char *name = FUSED[kind].name;
    int precision = real == 8, all = kind < SUMS;
    size_t n = rows * columns, channels = columns % 3 ? columns : 3; /* of sums and batch norm: of one place each, or many */
    void *x = numbers(real, 11, n, all), *dy = numbers(real, 12, n, all);
    void *weight = numbers(real, 13, columns, 0), *bias = numbers(real, 14, columns, 0), *row_dy = numbers(real, 15, rows, 0);
    ptrdiff_t *labels = memory_of(rows * sizeof *labels);
    for (size_t i = 0; i < rows; i++)
        labels[i] = (ptrdiff_t)(7 * i % columns);
    uint64_t h = HASH_OF_NOTHING;
    switch (kind) {
    default: {
        elementwise_job job = {(elementwise_function)kind, n, 0.01, 1.76, x, dy, place_for(real, n)};
        fused_elementwise(&job, precision);
        h = result(real, job.out, n, h, name);
        break;
    }
    case SUMS: {
        column_sums_job job = {rows, channels, columns / channels, x, place_for(real, channels)};
        fused_column_sums(&job, precision);
        h = result(real, job.out, channels, h, name);
        break;
    }
    case NORM:
    case NORM_EVALUATED: {
        batch_norm_job job = {rows, channels, columns / channels, kind == NORM, 1e-5, x, weight, bias, place_for(real, channels),
            place_for(real, channels), place_for(real, n)};
        for (size_t j = 0; kind == NORM_EVALUATED && j < channels; j++) {
            put(real, job.mean, (ptrdiff_t)j, 0.25);
            put(real, job.var, (ptrdiff_t)j, 1.0 + (double)j);
        }
        fused_batch_norm(&job, precision);
        h = result(real, job.y, n, result(real, job.var, channels, result(real, job.mean, channels, h, name), name), name);
        break;
    }
    case NORM_BACKWARD:
    case NORM_EVALUATED_BACKWARD: {
        void *var = numbers(real, 16, columns, 0);
        for (size_t j = 0; j < channels; j++)
            put(real, var, (ptrdiff_t)j, fabs(get(real, var, (ptrdiff_t)j)));
        for (int with = 0; with < 2; with++) { /* weight and dx */
            batch_norm_backward_job job = {rows, channels, columns / channels, kind == NORM_BACKWARD, 1e-5, dy, x,
                with ? weight : NULL, bias, var, with ? place_for(real, n) : NULL, place_for(real, channels),
                place_for(real, channels)};
            fused_batch_norm_backward(&job, precision);
            h = result(real, job.dbias, channels, result(real, job.dweight, channels, h, name), name);
            h = with ? result(real, job.dx, n, h, name) : h;
        }
        free(var);
        break;
    }
    case ENTROPY: {
        cross_entropy_job job = {rows, columns, x, labels, place_for(real, n), place_for(real, rows)};
        fused_cross_entropy(&job, precision);
        h = result(real, job.losses, rows, result(real, job.p, n, h, name), name);
        break;
    }
    case ENTROPY_BACKWARD: {
        cross_entropy_backward_job job = {rows, columns, x, row_dy, 1, 1, labels, place_for(real, n)};
        fused_cross_entropy_backward(&job, precision);
        h = result(real, job.dx, n, h, name);
        break;
    }
    case SGD:
    case NESTEROV:
    case ADAM:
    case ADAMW:
    case RMSPROP: {
        static const struct {
            void (*step)(const optim_job *job, int precision);
            size_t states;
            double numbers[NUMBERS];
        } rules[] = {
            {optim_sgd, 0, {0.1, 0.9, 0, 0, 0}},
            {optim_sgd, 1, {0.1, 0.9, 0, 0.01, 1}},
            {optim_adam, 2, {0.1, 0.9, 0.999, 1e-8, 0.01, 0}},
            {optim_adam, 2, {0.1, 0.9, 0.999, 1e-8, 0.01, 1}},
            {optim_rmsprop, 3, {0.1, 0.99, 1e-8, 0.01, 0.9}},
        };
        size_t sizes[] = {n, 0, columns, 1, n - 1};
        optim_tensor tensors[COUNT(sizes)];
        for (size_t t = 0; t < COUNT(sizes); t++) {
            tensors[t] = (optim_tensor){sizes[t], 0, place_for(real, sizes[t]), dy, {NULL}};
            if (sizes[t])
                memcpy(tensors[t].p, x, sizes[t] * real);
            for (size_t i = 0; i < rules[kind - SGD].states; i++) {
                tensors[t].state[i] = place_for(real, sizes[t]);
                if (sizes[t] && kind >= ADAM)
                    memset(tensors[t].state[i], 0, sizes[t] * real);
            }
        }
        optim_job job = {.count = COUNT(sizes), .tensors = tensors};
        memcpy(job.numbers, rules[kind - SGD].numbers, sizeof job.numbers);
        for (size_t step = 0; step < 2; step++) {
            rules[kind - SGD].step(&job, precision);
            for (size_t t = 0; t < COUNT(sizes); t++)
                tensors[t].steps++;
        }
        for (size_t t = 0; t < COUNT(sizes); t++) {
            h = result(real, tensors[t].p, sizes[t], h, name);
            for (size_t i = 0; i < rules[kind - SGD].states; i++)
                h = result(real, tensors[t].state[i], sizes[t], h, name);
        }
        break;
    }
    }
    free(x);
    free(dy);
    free(weight);
    free(bias);
    free(row_dy);
    free(labels);
    return h;
}

static void test_fused(int kind, size_t real)
{
    /* The last has work for three threads, and more rows than one of them, more columns than two of them. */
    static const size_t shapes[][2] = {{1, 1}, {2, 3}, {3, 7}, {5, 15}, {4, 16}, {2, 17}, {9, 31}, {3, 33}, {2, 63}, {7, 64},
        {3, 65}, {1, 129}, {2, 387}, {9, 131}, {301, 131}};
    uint64_t expected = 0;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        size_t rows = shapes[s][0], columns = shapes[s][1];
        isa_choose("generic");
        expected = made(kind, real, rows, columns);
        for (int isa = 0; isa_available(isa); isa++)
            for (size_t threads = 1; threads <= (rows > 100 ? 3 : 1); threads++) {
                choose(isa);
                threads_set(threads);
                check(made(kind, real, rows, columns) == expected, "%s of %zu x %zu numbers of %zu bytes, %zu threads",
                      FUSED[kind].name, rows, columns, real, threads);
            }
        threads_set(1);
    }
    char what[64];
    snprintf(what, sizeof what, "%s float%zu", FUSED[kind].name, 8 * real);
    check_hash(what, expected, FUSED[kind].golden[real == 8]);
}

/* Whether these are the numbers, to so many units of 2^-24 or 2^-53 of each. */
static int are(size_t real, const void *found, const double *known, size_t n, double units)
{
    int right = 1;
    for (size_t i = 0; i < n; i++) {
        double off = fabs(get(real, found, (ptrdiff_t)i) - known[i]), u = fabs(known[i]) * (real == 4 ? 0x1p-24 : 0x1p-53);
        right &= units == 0 ? off == 0 : off <= units * u;
    }
    return right;
}

static void *given(size_t real, const double *x, size_t n)
{
    void *memory = memory_of(n * real);
    for (size_t i = 0; i < n; i++)
        put(real, memory, (ptrdiff_t)i, x[i]);
    return memory;
}

#define GIVEN(...) given(real, (const double[]){__VA_ARGS__}, COUNT(((const double[]){__VA_ARGS__})))
#define ARE(found, units, ...) are(real, found, (const double[]){__VA_ARGS__}, COUNT(((const double[]){__VA_ARGS__})), units)

static void test_known_fused(size_t real)
{
    int precision = real == 8;
    static const struct {
        elementwise_function function;
        double x, dy, y;
    } known[] = {
        {TANH, 1, 0, 0.76159415595576488812}, {TANH, -0.5, 0, -0.46211715726000975850}, {TANH, -30, 0, -1}, {TANH, 0, 0, 0},
        {TANH_BACKWARD, 0.5, 4, 3}, {SIGMOID, 1, 0, 0.73105857863000487925}, {SIGMOID, -1, 0, 0.26894142136999512075},
        {SIGMOID_BACKWARD, 0.25, 16, 3}, {RELU, -2, 0, 0}, {RELU, 2, 0, 2}, {RELU_BACKWARD, 0, 5, 0}, {RELU_BACKWARD, 1, 5, 5},
        {LEAKY_RELU, -2, 0, -0.5}, {LEAKY_RELU, 3, 0, 3}, {LEAKY_RELU_BACKWARD, -2, 8, 2}, {LEAKY_RELU_BACKWARD, 3, 8, 8},
        {ELU, 4, 0, 1}, {ELU, -1, 0, 2 * -0.63212055882855767840}, {ELU_BACKWARD, 4, 2, 0.5},
        {ELU_BACKWARD, -1, 2, 4 * 0.36787944117144232160}, {SILU, 1, 0, 0.73105857863000487925}, {SILU_BACKWARD, 0, 3, 1.5},
        {SILU, -80, 0, -1.4438811102763321e-33}, {GELU, 1, 0, 0.84134474606854294859},
        {GELU, -8, 0, -4.9767684594174272988e-15}, {GELU_BACKWARD, -8, 2, -7.9592145221735919782e-14}, {GELU_BACKWARD, 0, 3, 1.5},
        {EXP, 1, 0, 2.71828182845904523536}, {EXP, 0, 0, 1}, {EXP, -INFINITY, 0, 0}, {EXP, -87, 0, 1.6458114310822737e-38},
        {LOG, 2, 0, 0.69314718055994530942}, {LOG, 1, 0, 0}, {LOG, 16, 0, 2.7725887222397812377},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        void *x = GIVEN(known[i].x), *dy = GIVEN(known[i].dy), *y = memory_of(real);
        fused_elementwise(&(elementwise_job){known[i].function, 1, 0.25, 2, x, dy, y}, precision);
        check(ARE(y, 6, known[i].y), "%s of %g is %.17g", FUSED[known[i].function].name, known[i].x, get(real, y, 0));
        free(x);
        free(dy);
        free(y);
    }

    /* One column 1 2 3 6: mean 3, variance 14/4, 1 / sqrt(14/4 + 1/2) = 1/2. */
    void *x = GIVEN(1, 2, 3, 6), *dy = GIVEN(1, 0, 0, 0), *weight = GIVEN(2), *bias = GIVEN(10), *y = memory_of(4 * real);
    void *mean = memory_of(real), *var = memory_of(real), *dweight = memory_of(real), *dbias = memory_of(real);
    fused_column_sums(&(column_sums_job){4, 1, 1, x, mean}, precision);
    check(ARE(mean, 0, 12), "the sum of a column");
    size_t rows = 1000000;
    void *tenths = memory_of(rows * real);
    for (size_t i = 0; i < rows; i++)
        put(real, tenths, (ptrdiff_t)i, 0.1);
    fused_column_sums(&(column_sums_job){rows, 1, 1, tenths, mean}, precision);
    check(ARE(mean, 16, 1e6 * get(real, tenths, 0)), "the sum of a long column, %.17g", get(real, mean, 0)); /* in one chain: 1e5 */
    free(tenths);
    fused_batch_norm(&(batch_norm_job){4, 1, 1, 1, 0.5, x, weight, bias, mean, var, y}, precision);
    check(ARE(mean, 0, 3) && ARE(var, 0, 3.5) && ARE(y, 0, 8, 9, 10, 13), "batch norm by hand");
    fused_batch_norm_backward(&(batch_norm_backward_job){4, 1, 1, 1, 0.5, dy, x, weight, mean, var, y, dweight, dbias}, precision);
    check(ARE(dweight, 0, -1) && ARE(dbias, 0, 1) && ARE(y, 0, 0.5, -0.375, -0.25, 0.125), "batch norm backward by hand");

    /* 0, ln 3: p = 1/4, 3/4, and -ln p = ln 4/3 for the second. */
    void *logits = GIVEN(0, 1.09861228866810969140, 1e30, -1e30), *p = memory_of(4 * real), *losses = memory_of(2 * real);
    const ptrdiff_t labels[] = {1, 0};
    fused_cross_entropy(&(cross_entropy_job){2, 2, logits, labels, p, losses}, precision);
    check(ARE(p, 8, 0.25, 0.75, 1, 0) && ARE(losses, 8, 0.28768207245178092744, 0), "cross-entropy by hand");
    free(p);
    p = GIVEN(0.25, 0.75, 1, 0);
    void *row_dy = GIVEN(4, 2);
    fused_cross_entropy_backward(&(cross_entropy_backward_job){2, 2, p, row_dy, 1, 1, labels, y}, precision);
    check(ARE(y, 0, 1, -1, 0, 0), "cross-entropy backward by hand");

    /* p = 1, gradients 2 and 0, learning rate and momentum 1/2, weight decay 1/4, Nesterov: g = 9/4, v = 9/4, step 27/8; then
     * g = -11/64, v = 61/64, step 39/128. */
    void *moved = GIVEN(1), *v = GIVEN(NAN);
    optim_tensor tensor = {1, 0, moved, NULL, {v}};
    optim_job job = {1, &tensor, .sgd = {0.5, 0.5, 0, 0.25, 1}};
    void *gradients[] = {GIVEN(2), GIVEN(0)};
    for (int step = 0; step < 2; step++, tensor.steps++) {
        tensor.g = gradients[step];
        optim_sgd(&job, precision);
        check(step == 0 ? ARE(moved, 0, -0.6875) && ARE(v, 0, 2.25) : ARE(moved, 0, -0.83984375) && ARE(v, 0, 0.953125),
              "SGD by hand");
    }

    /* p = 1, gradients 2 and 0, all of beta 1/2, learning rate 1/2. Adam: m = 1 of 1/2, v = 2 of 1/2, step lr 2/2; then m = 1/2
     * and v = 1 of 3/4 each, step lr 2/3 / sqrt(4/3) = lr / sqrt 3. RMSprop, momentum 1/2 and centered: s = 2, a = 1, u = 2; then
     * s = 1, a = 1/2, u = 0, b = 1. */
    void *root = GIVEN(0), *more = GIVEN(0), *mean_of = GIVEN(0);
    put(real, moved, 0, 1), put(real, v, 0, 0);
    tensor = (optim_tensor){1, 0, moved, NULL, {v, root}};
    job = (optim_job){1, &tensor, .adam = {0.5, 0.5, 0.5, 0, 0, 0}};
    for (int step = 0; step < 2; step++, tensor.steps++) {
        tensor.g = gradients[step];
        optim_adam(&job, precision);
        check(step == 0 ? ARE(moved, 4, 0.5) && ARE(v, 0, 1) && ARE(root, 0, 2)
                        : ARE(moved, 16, 0.21132486540518711775) && ARE(v, 0, 0.5) && ARE(root, 0, 1), "Adam by hand");
    }
    put(real, moved, 0, 1), put(real, v, 0, 0);
    tensor = (optim_tensor){1, 0, moved, NULL, {v, more, mean_of}};
    job = (optim_job){1, &tensor, .rmsprop = {0.5, 0.5, 0, 0, 0.5}};
    for (int step = 0; step < 2; step++, tensor.steps++) {
        tensor.g = gradients[step];
        optim_rmsprop(&job, precision);
        check(step == 0 ? ARE(moved, 0, 0) && ARE(v, 0, 2) && ARE(more, 0, 2) && ARE(mean_of, 0, 1)
                        : ARE(moved, 0, -0.5) && ARE(v, 0, 1) && ARE(more, 0, 1) && ARE(mean_of, 0, 0.5), "RMSprop by hand");
    }
    void *all[] = {x, dy, weight, bias, y, mean, var, dweight, dbias, logits, p, losses, row_dy, moved, v, gradients[0],
        gradients[1], root, more, mean_of};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
}

/* Threads: jobs that note what was done, in memory that is gone as soon as the call is over. */

typedef struct {
    size_t grain;
    _Atomic unsigned char *done;
    _Atomic int right;
} noted;

static void note(const void *job, size_t begin, size_t end)
{
    noted *mine = (noted *)job;
    mine->right &= begin < end && begin % mine->grain == 0;
    for (size_t i = begin; i < end; i++)
        mine->done[i]++;
}

/* Whether n things in this many parts are all done once, by ranges as threads.h promises them. */
static int dealt(size_t n, size_t grain, size_t parts)
{
    noted *job = memory_of(sizeof *job);
    *job = (noted){grain, memory_of(n), 1};
    for (size_t i = 0; i < n; i++)
        job->done[i] = 0;
    threads_deal(n, grain, parts, note, job);
    int right = job->right;
    for (size_t i = 0; i < n; i++)
        right &= job->done[i] == 1;
    free((void *)job->done);
    free(job);
    return right;
}

enum { MOST_PARTS = 64 };

#ifndef CALLS
#define CALLS 100000 /* fewer where each takes long, see tools/check_core.sh */
#endif

static void count(const void *job, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        ((_Atomic unsigned *)job)[i]++;
}

/* Calls with few parts and with many in turn, as fast as they can be made: a helper that comes late finds the next one. */
static int dealt_in_turn(size_t few, size_t many, int calls)
{
    _Atomic unsigned done[MOST_PARTS] = {0};
    unsigned expected[MOST_PARTS] = {0};
    int right = 1;
    for (int i = 0; right && i < calls; i++) {
        size_t parts = i % 2 ? few : many;
        threads_deal(parts, 1, parts, count, done);
        for (size_t part = 0; part < parts; part++)
            right &= done[part] == ++expected[part];
    }
    return right;
}

typedef struct {
    pthread_t thread;
    int right;
} dealer;

static void *deal_often(void *mine)
{
    ((dealer *)mine)->right = dealt_in_turn(2, 16, CALLS / 5);
    return NULL;
}

static void *resize(void *over)
{
    for (size_t n = 1; !*(_Atomic int *)over; n = n % 70 + 1)
        threads_set(n);
    return NULL;
}

typedef struct {
    _Atomic size_t there;
    _Atomic int alone;
} meeting;

/* Waits for whoever does the other part: in vain, where one thread does both. */
static void meet(const void *job, size_t begin, size_t end)
{
    meeting *m = (meeting *)job;
    m->there += end - begin;
    for (time_t end_of_patience = time(NULL) + 60; m->there < 2 && !m->alone; sched_yield())
        m->alone = time(NULL) > end_of_patience;
}

static void test_threads(void)
{
    alarm(1800); /* a call that never comes back ends the program */
    meeting m = {0, 0};
    threads_set(2);
    threads_deal(2, 1, 2, meet, &m);
    check(m.there == 2 && !m.alone, "two threads at work at the same time");
    for (size_t t = 0; t < COUNT(THREADS); t++)
        for (size_t n = 0; n < 70; n += n < 20 ? 1 : 7)
            for (size_t grain = 1; grain < 20; grain += 5)
                for (size_t parts = 1; parts < 20; parts += 6) {
                    threads_set(THREADS[t]);
                    check(dealt(n, grain, parts), "%zu things dealt out in %zu parts of %zu, %zu threads", n, parts, grain, THREADS[t]);
                }
    threads_set(0);
    check(threads_get() == 1, "no threads are one");
    threads_set(65);
    check(threads_get() == 64, "65 threads are 64");

    static const size_t turns[][2] = {{2, 8}, {3, 8}, {2, 16}, {2, 3}};
    for (size_t t = 0; t < COUNT(turns); t++)
        for (int again = 0; again < 8; again++) {
            threads_set(again == 7 ? 4 : MOST_PARTS);
            check(dealt_in_turn(turns[t][0], turns[t][1], CALLS), "calls of %zu and %zu parts in turn", turns[t][0], turns[t][1]);
#ifdef EMULATED
            continue; /* qemu-user fails where a child of a process with many threads starts some */
#endif
            fflush(stdout);
            pid_t child = fork();
            if (child == 0)
                _exit(dealt_in_turn(turns[t][0], turns[t][1], CALLS / 100) ? 0 : 1);
            int status;
            check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the same calls in a child");
        }

    _Atomic int over = 0;
    pthread_t resizer;
    dealer dealers[3];
    if (pthread_create(&resizer, NULL, resize, &over))
        exit(3);
    for (size_t i = 0; i < COUNT(dealers); i++)
        if (pthread_create(&dealers[i].thread, NULL, deal_often, &dealers[i]))
            exit(3);
    for (size_t i = 0; i < COUNT(dealers); i++) {
        pthread_join(dealers[i].thread, NULL);
        check(dealers[i].right, "callers side by side, while the number of threads changes");
    }
    over = 1;
    pthread_join(resizer, NULL);
    threads_set(1);
    alarm(0);
}

/* Callers side by side, and a child that calls after a fork: the helping threads serve one, and none is left waiting. */

typedef struct {
    int right;
    const float *expected;
    size_t n;
} caller;

static void *call(void *argument)
{
    caller *mine = argument;
    mine->right = 1;
    for (int round = 0; round < 20; round++) {
        float *x = samples(&DRAWS[0], 0, mine->n);
        mine->right &= same(x, mine->expected, mine->n * sizeof *x);
        free(x);
    }
    return NULL;
}

static void test_callers(void)
{
    size_t n = 70001;
    threads_set(1);
    float *expected = samples(&DRAWS[0], 0, n);
    threads_set(3);
    caller callers[3];
    pthread_t thread[3];
    for (int i = 0; i < 3; i++) {
        callers[i] = (caller){0, expected, n};
        if (pthread_create(&thread[i], NULL, call, &callers[i]))
            exit(3);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    check(callers[0].right && callers[1].right && callers[2].right, "callers side by side");

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        call(&callers[0]);
        _exit(callers[0].right ? 0 : 1);
    }
    int status;
    check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child that calls after a fork");
    free(expected);
    threads_set(1);
}

/* Programs: a small network's step, of random sizes, against the same calls one by one in memory of their own, each block of
 * exactly its size; a step with a label that is no class, or without memory, must leave what it was given as it was. */

enum { BLOCKS = 14 };

/* The sizes of the blocks of memory, in numbers, but for the labels: x, w, b, p(arameter), h, y, scores' p, losses, loss, dy,
 * d_scores, sums, total, mask. */
static void step_sizes(size_t rows, size_t in, size_t classes, size_t n[BLOCKS])
{
    size_t wide = rows * classes;
    const size_t all[BLOCKS] = {rows * in, classes * in, classes, classes, wide, wide, wide, rows, 1, 1, wide, classes, 2, wide};
    memcpy(n, all, sizeof all);
}

static size_t make_step(size_t real, size_t rows, size_t in, size_t classes, void *block[BLOCKS], const ptrdiff_t *labels,
                        const double *u, optim_tensor *tensor, operation program[])
{
    int precision = real == 8;
    void *x = block[0], *w = block[1], *b = block[2], *parameter = block[3], *h = block[4], *y = block[5], *p = block[6];
    void *losses = block[7], *loss = block[8], *dy = block[9], *dh = block[10], *sums = block[11], *mask = block[13];
    double *total = block[12];
    *tensor = (optim_tensor){classes, 1, parameter, sums, {NULL}};
    const operation all[] = {
        {PRODUCT, precision, .product = {rows, classes, in, x, w, b, (ptrdiff_t)in, 1, 1, (ptrdiff_t)in, h, (ptrdiff_t)classes, 1}},
        {ELEMENTWISE, precision, .elementwise = {TANH, rows * classes, 0, 0, h, NULL, y}},
        {MASK, precision, .mask = {rows * classes, 0.5, 2, u, mask}},
        {ARITHMETIC, precision, .arithmetic = {MULTIPLY, 1, rows * classes, y, mask, 0, 1, 0, 1, h}},
        {ARITHMETIC, precision, .arithmetic = {ADD, rows, classes, h, b, (ptrdiff_t)classes, 1, 0, 1, y}},
        {CROSS_ENTROPY, precision, .cross_entropy = {{rows, classes, y, labels, p, losses}, total}},
        {SCALE, precision, .scale = {total, 0.5, loss}},
        {COPY, precision, .copy = {real, loss, dy}},
        {CROSS_ENTROPY_BACKWARD, precision, .cross_entropy_backward = {rows, classes, p, dy, 0, 0.25, labels, dh}},
        {COLUMN_SUMS, precision, .column_sums = {rows, classes, 1, dh, sums}},
        {FINITE, precision, .finite = {classes, 2, sums}},
        {ROW_SUMS, precision, .row_sums = {1, rows, losses, loss}},
        {SGD_STEP, precision, .optim = {1, tensor, {{0.5, 0, 0, 0, 0}}}},
    };
    memcpy(program, all, sizeof all);
    return COUNT(all);
}

static void test_program(size_t real)
{
    uint64_t state = 1;
    for (int trial = 0; trial < 200; trial++) {
        operation program[16], calls[16];
        optim_tensor tensor, other;
        size_t n[BLOCKS], rows, in, classes;
        state = state * 6364136223846793005u + 1442695040888963407u;
        rows = 1 + (state >> 33) % 31, in = 1 + (state >> 40) % 33, classes = 1 + (state >> 50) % 11;
        step_sizes(rows, in, classes, n);
        void *block[BLOCKS], *copy[BLOCKS];
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = i == 12 ? sizeof(double) : n[i] * real;
            block[i] = i < 4 ? numbers(real, state + i, n[i], 0) : memory_of(size);
            copy[i] = memory_of(size);
            memcpy(copy[i], block[i], size);
        }
        ptrdiff_t *labels = memory_of(rows * sizeof *labels);
        double *u = values(8, state, 1, rows * classes, 0);
        for (size_t i = 0; i < rows; i++)
            labels[i] = (ptrdiff_t)((state >> i % 50) % classes);
        size_t count = make_step(real, rows, in, classes, block, labels, u, &tensor, program), done = 0;
        make_step(real, rows, in, classes, copy, labels, u, &other, calls);

        labels[state % rows] = trial % 2 ? (ptrdiff_t)classes : -1;
        check(program_run(program, count) == 5, "a program with a label that is no class");
        check(same(block[3], copy[3], n[3] * real), "what it was given after a program that failed");
        labels[state % rows] = 0;
        if (classes > 1) {
            blocks_left = 0;
            refused = 0;
            size_t without = program_run(program, count);
            check(without == (refused ? 0 : count), "a program without memory");
            blocks_left = PLENTY;
            refused = 0;
            memcpy(block[3], copy[3], n[3] * real);
        }
        check(program_run(program, count) == count, "a program");
        while (done < count && operation_run(&calls[done]) == 0)
            done++;
        check(done == count, "its calls");
        for (size_t i = 0; i < BLOCKS; i++) {
            check(same(block[i], copy[i], i == 12 ? sizeof(double) : n[i] * real), "block %zu of a program's memory", i);
            free(block[i]);
            free(copy[i]);
        }
        free(labels);
        free(u);
    }
}

int main(void)
{
    printf("instruction sets:");
    for (int isa = 0; isa_available(isa); isa++)
        printf(" %s", isa_available(isa));
    puts("");
    check(isa_choose("nonesuch") == -1, "an unknown instruction set is refused");

    for (int isa = 0; isa_available(isa); isa++) {
        choose(isa);
        test_philox();
        test_callers();
    }
    test_threads();
    for (size_t i = 0; i < COUNT(DRAWS); i++)
        test_draw(&DRAWS[i]);
    uint64_t h[2];
    test_matmul(4, h);
    check_hash("matmul float32, chains of fma", h[0], 0xc773ddf48252c8da);
    check_hash("matmul float32, generic", h[1], 0xc57b96c972f3c9b3);
    test_matmul(8, h);
    check_hash("matmul float64, chains of fma", h[0], 0xc02815e4eec5b227);
    check_hash("matmul float64, generic", h[1], 0x67334dc560bc0712);
    for (size_t real = 4; real <= 8; real += 4) {
        test_bias(real);
        test_convolution(real);
        test_no_memory(real);
        test_program(real);
        for (int isa = 0; isa_available(isa); isa++) {
            choose(isa);
            test_pack(real);
            test_known_fused(real);
        }
        for (size_t kind = 0; kind < COUNT(FUSED); kind++)
            test_fused((int)kind, real);
    }
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
