/* summary_loops.h: the template of a summary, sweep by sweep; each isa_*.c includes it once per precision, with SUFFIX
 * and REAL.
 *
 * Sums are in double, so that squares of small numbers are not 0. All is sought in PARTS parts, every PARTS-th element
 * in one: so nothing waits for the addition before it, and compilers use vectors. The bits are the same for all
 * instruction sets. */
#include "summary.h"
#include "template.h"

#include <math.h>


/* sum_f32, sum_f64: sum of x - centre */
static double NAME(sum)(size_t n, const REAL *x, double centre)
{
    double parts[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t j = 0; j < PARTS; j++)
            parts[j] += (double)x[i + j] - centre;
    for (; i < n; i++)
        parts[0] += (double)x[i] - centre;
    for (size_t half = PARTS / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            parts[j] += parts[j + half];
    return parts[0];
}

/* squares_f32, squares_f64: sum of (x - mean)^2 */
static double NAME(squares)(size_t n, const REAL *x, double mean)
{
    double parts[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t j = 0; j < PARTS; j++) {
            double d = (double)x[i + j] - mean;
            parts[j] += d * d;
        }
    for (; i < n; i++)
        parts[0] += ((double)x[i] - mean) * ((double)x[i] - mean);
    for (size_t half = PARTS / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            parts[j] += parts[j + half];
    return parts[0];
}

/* extremes_f32, extremes_f64: the least and the largest element. */
static void NAME(extremes)(size_t n, const REAL *x, double *low, double *high)
{
    REAL least[PARTS], largest[PARTS];
    for (size_t j = 0; j < PARTS; j++)
        least[j] = largest[j] = x[0];
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t j = 0; j < PARTS; j++) {
            least[j] = x[i + j] < least[j] ? x[i + j] : least[j];
            largest[j] = x[i + j] > largest[j] ? x[i + j] : largest[j];
        }
    for (; i < n; i++) {
        least[0] = x[i] < least[0] ? x[i] : least[0];
        largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    }
    for (size_t j = 1; j < PARTS; j++) {
        least[0] = least[j] < least[0] ? least[j] : least[0];
        largest[0] = largest[j] > largest[0] ? largest[j] : largest[0];
    }
    *low = (double)least[0];
    *high = (double)largest[0];
}

/* summarized_f32, summarized_f64 */
static summary NAME(summarized)(size_t n, const REAL *x, size_t bins, int64_t *counts)
{
    summary found = {NAN, NAN, NAN, NAN};
    for (size_t bin = 0; bin < HISTOGRAMS * (bins + 1); bin++)
        counts[bin] = 0;
    /* About the first element, so that nothing is rounded where all are equal. */
    found.mean = (double)x[0] + NAME(sum)(n, x, (double)x[0]) / (double)n;
    if (!isfinite(found.mean)) {
        found.mean = NAME(sum)(n, x, 0.0) / (double)n; /* again, for it may be the first element that is infinite */
        return found;
    }
    found.std = sqrt(NAME(squares)(n, x, found.mean) / (double)n);
    if (!bins)
        return found;
    NAME(extremes)(n, x, &found.low, &found.high);
    double low = found.low, scale = (double)bins / (found.high - found.low);
    if (!isfinite(scale)) { /* all are equal, or nearly equal */
        counts[bins / 2] = (int64_t)n;
        return found;
    }
    size_t i = 0, room = bins + 1;
    for (; i + PARTS <= n; i += PARTS) {
        int place[PARTS];
        for (size_t j = 0; j < PARTS; j++)
            place[j] = (int)(((double)x[i + j] - low) * scale);
        for (size_t j = 0; j < PARTS; j++)
            counts[j % HISTOGRAMS * room + (size_t)place[j]]++;
    }
    for (; i < n; i++)
        counts[(int)(((double)x[i] - low) * scale)]++;
    for (size_t bin = room; bin < HISTOGRAMS * room; bin++)
        counts[bin % room] += counts[bin];
    counts[bins - 1] += counts[bins]; /* the last bin has both its ends */
    return found;
}

