/* philox.h: random bits. Counter + key -> four 32-bit words, by Philox4x32-10. A template: each isa_*.c includes it
 * once.
 *
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 4.3. There is no
 * state: word i of a stream is a pure function of the key and of i, so any thread can make any part of it. What
 * becomes of the words (uniform, normal, ...) is in sampling_kernels.h; who counts is minidl/random.py.
 *
 * The includer defines LANES64 (64-bit numbers in a vector), MUL32 (the products of the lower halves with a constant)
 * and UNPACK_LOW and UNPACK_HIGH (of each pair of numbers in a and in b, the first or the second ones). A word lives
 * in the lower half of a lane; what the products leave in the upper half is ignored by MUL32, and cut off at the
 * end. */
#include "isa.h"

#include <string.h>

typedef uint64_t lanes64 __attribute__((vector_size(8 * LANES64)));

/* Two words in one lane, in the order in which memory shows them. */
static inline lanes64 in_memory_order(lanes64 first, lanes64 second)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return first << 32 | (second & 0xFFFFFFFFu);
#else
    return (first & 0xFFFFFFFFu) | second << 32;
#endif
}

/* The words of PHILOX_GROUP / 4 consecutive counters, in counter order; the 128-bit counter of the first is
 * high * 2^64 + low. */
static void philox_group(philox_key key, uint64_t low, uint64_t high, uint32_t out[PHILOX_GROUP])
{
    enum { VECTORS = PHILOX_GROUP / 4 / LANES64 };
    lanes64 c0[VECTORS], c1[VECTORS], c2[VECTORS], c3[VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        lanes64 step; /* 0, n/2, 1, n/2 + 1, ... : so the interleaving at the end comes out in order */
        for (int i = 0; i < LANES64; i++)
            step[i] = (uint64_t)(v * LANES64 + i / 2 + (i % 2) * (LANES64 / 2));
        lanes64 sum = low + step, carried = high - (lanes64)(sum < step); /* true is -1 */
        c0[v] = sum;
        c1[v] = sum >> 32;
        c2[v] = carried;
        c3[v] = carried >> 32;
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) {
            lanes64 p0 = MUL32(c0[v], 0xD2511F53u), p1 = MUL32(c2[v], 0xCD9E8D57u);
            c0[v] = p1 >> 32 ^ c1[v] ^ key.k0;
            c1[v] = p1;
            c2[v] = p0 >> 32 ^ c3[v] ^ key.k1;
            c3[v] = p0;
        }
        key.k0 += 0x9E3779B9u; /* the golden ratio */
        key.k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    for (int v = 0; v < VECTORS; v++) {
        lanes64 w01 = in_memory_order(c0[v], c1[v]), w23 = in_memory_order(c2[v], c3[v]);
        lanes64 first = UNPACK_LOW(w01, w23), second = UNPACK_HIGH(w01, w23);
        memcpy(out + 4 * LANES64 * v, &first, sizeof first);
        memcpy(out + 4 * LANES64 * v + 2 * LANES64, &second, sizeof second);
    }
}
