/* summary.h: what an array is like: mean, standard deviation, extremes, histogram. */
#ifndef MINIDL_SUMMARY_H
#define MINIDL_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double mean, std, low, high;
} summary;

/* How many sums run side by side; and histograms, so that a bin which is hit again and again is not waited for. */
enum { PARTS = 16, HISTOGRAMS = 4 };

/* Fills `counts`, which has room for HISTOGRAMS (bins + 1), with how many of the n > 0 elements lie in each of `bins`
 * equal parts of [low, high]; where all elements are equal, they are in the middle one. If the mean is not finite, the
 * rest is NaN, and counts are all 0; with 0 bins, low and high are NaN. */
summary summarize_f32(size_t n, const float *x, size_t bins, int64_t *counts);
summary summarize_f64(size_t n, const double *x, size_t bins, int64_t *counts);

#endif
