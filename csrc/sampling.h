/* sampling.h: samples from word `position` of the Philox stream `key`. n samples use n words in float32, 2 n
 * otherwise. A distribution's numbers are checked by the caller, minidl/random.py. */
#ifndef MINIDL_SAMPLING_H
#define MINIDL_SAMPLING_H

#include "isa.h"

void sample_words(philox_key key, uint64_t low, uint64_t high, size_t n, uint32_t *out);
void sample_uniform_f32(draw part, distribution source, float *out);
void sample_uniform_f64(draw part, distribution source, double *out);
void sample_normal_f32(draw part, distribution source, float *out);
void sample_normal_f64(draw part, distribution source, double *out);

/* low + a number below `range` (0 stands for 2^64). */
void sample_integers(draw part, int64_t low, uint64_t range, int64_t *out);

/* A random order of 0 .. n - 1. */
void sample_permutation(draw part, int64_t *out);

#endif
