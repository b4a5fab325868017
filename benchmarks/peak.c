/* peak.c: the hardware's peak. Multiply-adds on numbers that never leave the registers, in enough independent chains that no
 * multiply-add waits for the one before it. Compiled for the machine at hand by native.py; leaves out the timing. */
#include "threads.h"

#if defined(__AVX512F__)
enum { BYTES = 64, CHAINS = 24 };
#elif defined(__aarch64__)
enum { BYTES = 16, CHAINS = 24 };
#elif defined(__AVX__)
enum { BYTES = 32, CHAINS = 12 };
#else
enum { BYTES = 16, CHAINS = 12 };
#endif

#if defined(__clang__) && defined(__AVX512F__)
#define WHOLE __attribute__((min_vector_width(512))) /* or clang halves the vectors */
#else
#define WHOLE
#endif

/* `rounds` multiply-adds in every chain of every thread; returns how many floating-point operations that is, two each. */
#define PEAK(NAME, REAL)                                                                  \
    typedef REAL NAME##_vec __attribute__((vector_size(BYTES)));                          \
                                                                                          \
    static WHOLE void NAME##_chains(const void *rounds, size_t begin, size_t end)         \
    {                                                                                     \
        for (size_t part = begin; part < end; part++) {                                   \
            NAME##_vec sum[CHAINS];                                                       \
            for (size_t i = 0; i < CHAINS; i++)                                           \
                sum[i] = (NAME##_vec){0} + (REAL)(part + i);                              \
            for (size_t round = *(const size_t *)rounds; round; round--)                  \
                _Pragma("GCC unroll 24") for (size_t i = 0; i < CHAINS; i++)              \
                    sum[i] = sum[i] * (REAL)0.5 + (REAL)1;                                \
            for (size_t i = 0; i < CHAINS; i++)                                           \
                __asm__ volatile("" : : "m"(sum[i])); /* they count as used */            \
        }                                                                                 \
    }                                                                                     \
                                                                                          \
    double NAME(size_t rounds, size_t threads)                                            \
    {                                                                                     \
        threads_set(threads);                                                             \
        threads_deal(threads, 1, threads, NAME##_chains, &rounds);                        \
        return 2.0 * CHAINS * (BYTES / sizeof(REAL)) * (double)rounds * (double)threads;  \
    }

PEAK(peak_float32, float)
PEAK(peak_float64, double)
