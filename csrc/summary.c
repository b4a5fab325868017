/* summary.c: see summary.h. Sums are in double, so that squares of small numbers are not 0, of x less its first element, so
 * that nothing is rounded where all are equal, and in parts, so that no addition waits for the one before it. */
#include "summary.h"

#include <math.h>

#define DEFINE_SUMMARIZE(TYPE, SUFFIX)                                                                                         \
    /* The sum of x less its first element, and if asked for the least and the largest. */                                     \
    static double pass_one_##SUFFIX(size_t n, const TYPE *x, summary *found, int extremes)                                     \
    {                                                                                                                          \
        double first = (double)x[0], even = 0, odd = 0;                                                                        \
        TYPE a = x[0], b = a, c = a, d = a, p = a, q = a, r = a, s = a;                                                        \
        size_t i = 0;                                                                                                          \
        if (extremes)                                                                                                          \
            for (; i + 4 <= n; i += 4) {                                                                                       \
                even += ((double)x[i] - first) + ((double)x[i + 1] - first);                                                   \
                odd += ((double)x[i + 2] - first) + ((double)x[i + 3] - first);                                                \
                a = x[i] < a ? x[i] : a;                                                                                       \
                b = x[i + 1] < b ? x[i + 1] : b;                                                                               \
                c = x[i + 2] < c ? x[i + 2] : c;                                                                               \
                d = x[i + 3] < d ? x[i + 3] : d;                                                                               \
                p = x[i] > p ? x[i] : p;                                                                                       \
                q = x[i + 1] > q ? x[i + 1] : q;                                                                               \
                r = x[i + 2] > r ? x[i + 2] : r;                                                                               \
                s = x[i + 3] > s ? x[i + 3] : s;                                                                               \
            }                                                                                                                  \
        else                                                                                                                   \
            for (; i + 4 <= n; i += 4) {                                                                                       \
                even += ((double)x[i] - first) + ((double)x[i + 1] - first);                                                   \
                odd += ((double)x[i + 2] - first) + ((double)x[i + 3] - first);                                                \
            }                                                                                                                  \
        for (; i < n; i++) {                                                                                                   \
            even += (double)x[i] - first;                                                                                      \
            a = x[i] < a ? x[i] : a;                                                                                           \
            p = x[i] > p ? x[i] : p;                                                                                           \
        }                                                                                                                      \
        if (extremes) {                                                                                                        \
            a = a < b ? a : b;                                                                                                 \
            c = c < d ? c : d;                                                                                                 \
            p = p > q ? p : q;                                                                                                 \
            r = r > s ? r : s;                                                                                                 \
            found->low = (double)(a < c ? a : c);                                                                              \
            found->high = (double)(p > r ? p : r);                                                                             \
        }                                                                                                                      \
        return even + odd;                                                                                                     \
    }                                                                                                                          \
                                                                                                                               \
    summary summarize_##SUFFIX(size_t n, const TYPE *x, size_t bins, int64_t *counts)                                          \
    {                                                                                                                          \
        summary found = {NAN, NAN, NAN, NAN};                                                                                  \
        for (size_t bin = 0; bin <= bins; bin++)                                                                               \
            counts[bin] = 0;                                                                                                   \
        found.mean = (double)x[0] + pass_one_##SUFFIX(n, x, &found, bins > 0) / (double)n;                                     \
        if (!isfinite(found.mean)) {                                                                                           \
            double sum = 0; /* again, for what is infinite may be the first element */                                         \
            for (size_t i = 0; i < n; i++)                                                                                     \
                sum += (double)x[i];                                                                                           \
            return (summary){sum / (double)n, NAN, NAN, NAN};                                                                  \
        }                                                                                                                      \
        double mean = found.mean, low = found.low, scale = bins ? (double)bins / (found.high - low) : INFINITY;                \
        double even = 0, odd = 0;                                                                                              \
        size_t i = 0;                                                                                                          \
        if (isfinite(scale))                                                                                                   \
            for (; i + 2 <= n; i += 2) {                                                                                       \
                double d = (double)x[i] - mean, e = (double)x[i + 1] - mean;                                                   \
                even += d * d;                                                                                                 \
                odd += e * e;                                                                                                  \
                counts[(int)(((double)x[i] - low) * scale)]++;                                                                 \
                counts[(int)(((double)x[i + 1] - low) * scale)]++;                                                             \
            }                                                                                                                  \
        else {                                                                                                                 \
            counts[bins / 2] = bins ? (int64_t)n : 0; /* all are equal, or as good as */                                       \
            for (; i + 4 <= n; i += 4) {                                                                                       \
                double p = (double)x[i] - mean, q = (double)x[i + 1] - mean;                                                   \
                double r = (double)x[i + 2] - mean, s = (double)x[i + 3] - mean;                                               \
                even += p * p + q * q;                                                                                         \
                odd += r * r + s * s;                                                                                          \
            }                                                                                                                  \
        }                                                                                                                      \
        for (; i < n; i++) {                                                                                                   \
            even += ((double)x[i] - mean) * ((double)x[i] - mean);                                                             \
            if (isfinite(scale))                                                                                               \
                counts[(int)(((double)x[i] - low) * scale)]++;                                                                 \
        }                                                                                                                      \
        found.std = sqrt((even + odd) / (double)n);                                                                            \
        if (bins) /* the last bin has both its ends */                                                                         \
            counts[bins - 1] += counts[bins];                                                                                  \
        return found;                                                                                                          \
    }

DEFINE_SUMMARIZE(float, f32)
DEFINE_SUMMARIZE(double, f64)
