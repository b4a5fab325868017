/* core.c: the test program of csrc/, without Python, so that it runs under sanitizers and on other processors; how to build
 * it is in tools/check_core.sh.
 *
 * Philox is held to published known answers, matmul to one multiplication and addition after the other, and every
 * instruction set, number of threads and cut of a call to plain C in one piece. It prints hashes of the values themselves:
 * the same on every machine. The laws are held to their NumPy twins in tests/kernels. */
#include "isa.h"
#include "matmul.h"
#include "sampling.h"
#include "threads.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

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

/* Laws */

enum kind { UNIFORM_F32, UNIFORM_F64, NORMAL_F32, NORMAL_F64, INTEGERS, PERMUTATION };

typedef struct {
    const char *name;
    enum kind kind;
    sample_law law;
    uint64_t range;
    uint64_t golden;
} law_case;

/* low, high, mean, std, p_low, q_high, width; range; hash */
static const law_case LAWS[] = {
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

static size_t size_of(const law_case *c)
{
    return c->kind == UNIFORM_F32 || c->kind == NORMAL_F32 ? 4 : 8;
}

/* n samples from word `position`, in memory of exactly their size. */
static void *samples(const law_case *c, uint64_t position, size_t n)
{
    draw part = {{0xDEADBEEF, 0x01234567}, position, n};
    void *out = memory_of(n * size_of(c));
    switch (c->kind) {
    case UNIFORM_F32: sample_uniform_f32(part, c->law, out); break;
    case UNIFORM_F64: sample_uniform_f64(part, c->law, out); break;
    case NORMAL_F32: sample_normal_f32(part, c->law, out); break;
    case NORMAL_F64: sample_normal_f64(part, c->law, out); break;
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
static void check_samples(const law_case *c, uint64_t position, size_t n, const void *expected)
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

static void test_law(const law_case *c)
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

/* C = A B: every element a sum over k of fma() where `fused`, else of products and sums that are rounded one by one. It is
 * one chain, or `parts` of them, one for each k modulo parts, which are then added by halves. */
static void chains(size_t real, int fused, size_t parts, size_t m, size_t n, size_t k, const double *a, const double *b,
                   double *c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double part[32] = {0};
            for (size_t p = 0; p < k; p++) {
                double x = a[i * k + p], y = b[p * n + j], *sum = part + p % parts;
                if (real == 4) /* the casts: s390x computes with floats as with doubles */
                    *sum = fused ? fmaf((float)x, (float)y, (float)*sum) : (float)((float)((float)x * (float)y) + (float)*sum);
                else
                    *sum = fused ? fma(x, y, *sum) : x * y + *sum;
            }
            for (size_t half = parts / 2; half; half /= 2)
                for (size_t q = 0; q < half; q++)
                    part[q] = real == 4 ? (float)((float)part[q] + (float)part[q + half]) : part[q] + part[q + half];
            c[i * n + j] = part[0];
        }
}

/* One product with A and B in each of the layouts `from` ... `to`, by every instruction set and 1 ... `most` threads. Hashes
 * the elements of C on to h[0], those of generic's on to h[1]. */
static void check_product(size_t real, size_t m, size_t k, size_t n, enum layout from, enum layout to, size_t most,
                          uint64_t h[2])
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
                for (size_t threads = 1; threads <= most; threads++) {
                    enum layout c_layout = (a_layout + b_layout) % LAYOUTS;
                    threads_set(threads);
                    product(real, m, n, k, a, a_layout, b, b_layout, c, c_layout);
                    int right = same(c, expected, m * n * sizeof *c);
                    if (!right && (m == 1 || n == 1)) { /* as the dot products that one row or column may be */
                        chains(real, expected == fused, 128 / real, m, n, k, a, b, dots);
                        right = same(c, dots, m * n * sizeof *c);
                    }
                    check(right, "matmul, numbers of %zu bytes: %zu x %zu x %zu in layouts %d %d %d, %zu threads", real, m, k,
                          n, a_layout, b_layout, c_layout, threads);
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
    static const size_t large[][3] = {{7, 5, 2049}, {9, 1035, 5}, {1, 515, 1}, {1, 515, 7}, {265, 1, 265}, {265, 515, 129}};
    h[0] = h[1] = HASH_OF_NOTHING;
    for (size_t i = 0; i < sizes * sizes * sizes; i++)
        check_product(real, small[i % sizes], small[i / sizes % sizes], small[i / sizes / sizes], ROWS, SPACED, 1, h);
    check_product(real, 14, 7, 19, REPEATED, REPEATED, 1, h);
    for (size_t i = 0; i < COUNT(large); i++)
        check_product(real, large[i][0], large[i][1], large[i][2], ROWS, COLUMNS, 3, h);
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
        float *x = samples(&LAWS[0], 0, mine->n);
        mine->right &= same(x, mine->expected, mine->n * sizeof *x);
        free(x);
    }
    return NULL;
}

static void test_callers(void)
{
    size_t n = 70001;
    threads_set(1);
    float *expected = samples(&LAWS[0], 0, n);
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
    for (size_t i = 0; i < COUNT(LAWS); i++)
        test_law(&LAWS[i]);
    uint64_t h[2];
    test_matmul(4, h);
    check_hash("matmul float32, chains of fma", h[0], 0xad1d2f858e7e72f5);
    check_hash("matmul float32, generic", h[1], 0x57b41e365eac1e64);
    test_matmul(8, h);
    check_hash("matmul float64, chains of fma", h[0], 0x4d6fd40333451ca7);
    check_hash("matmul float64, generic", h[1], 0x1ee77db61bfc92e9);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
