/* philox.h: random bits. Counter + key -> four 32-bit words, by Philox4x32-10.
 *
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 4.3.
 * There is no state: word i of a stream is a pure function of the key and of i, so any thread can make any part of it.
 * What becomes of the words (uniform, normal, ...) is in sampling_kernels.h; who counts is minidl/random.py. */
#ifndef MINIDL_PHILOX_H
#define MINIDL_PHILOX_H

#include <stddef.h>
#include <stdint.h>

enum { PHILOX_LANES = 16, PHILOX_GROUP = 4 * PHILOX_LANES };

typedef struct {
    uint32_t k0, k1;
} philox_key;

/* PHILOX_LANES consecutive counters at once (as many as the widest vector holds), four words each, in counter order.
 * The 128-bit counter of the first is high * 2^64 + low. The loops over i are what the compiler vectorizes. */
static inline void philox_group(philox_key key, uint64_t low, uint64_t high, uint32_t out[PHILOX_GROUP])
{
    uint32_t c0[PHILOX_LANES], c1[PHILOX_LANES], c2[PHILOX_LANES], c3[PHILOX_LANES];
    for (int i = 0; i < PHILOX_LANES; i++) {
        uint64_t sum = low + (uint64_t)i, carried = high + (sum < low);
        c0[i] = (uint32_t)sum;
        c1[i] = (uint32_t)(sum >> 32);
        c2[i] = (uint32_t)carried;
        c3[i] = (uint32_t)(carried >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < PHILOX_LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ key.k0;
            c1[i] = (uint32_t)p1;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ key.k1;
            c3[i] = (uint32_t)p0;
        }
        key.k0 += 0x9E3779B9u; /* the golden ratio */
        key.k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    for (int i = 0; i < PHILOX_LANES; i++) {
        out[4 * i + 0] = c0[i];
        out[4 * i + 1] = c1[i];
        out[4 * i + 2] = c2[i];
        out[4 * i + 3] = c3[i];
    }
}

#endif
