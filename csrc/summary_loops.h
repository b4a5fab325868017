/* summary_loops.h: the template of a summary; summary.c includes it once per precision.
 *
 * Sums are in double, so that squares of small numbers are not 0, and in two parts, so that no addition waits for the one
 * before it. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(stem) PASTE(stem, SUFFIX)

/* sum of x - centre */
static double NAME(sum)(size_t n, const REAL *x, double centre)
{
    double even = 0, odd = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        even += ((double)x[i] - centre) + ((double)x[i + 1] - centre);
        odd += ((double)x[i + 2] - centre) + ((double)x[i + 3] - centre);
    }
    for (; i < n; i++)
        even += (double)x[i] - centre;
    return even + odd;
}

/* The least and the largest element, each sought in EXTREMES parts. */
static void NAME(extremes)(size_t n, const REAL *x, double *low, double *high)
{
    REAL least[EXTREMES], largest[EXTREMES];
    for (size_t j = 0; j < EXTREMES; j++)
        least[j] = largest[j] = x[0];
    size_t i = 0;
    for (; i + EXTREMES <= n; i += EXTREMES)
        for (size_t j = 0; j < EXTREMES; j++) {
            least[j] = x[i + j] < least[j] ? x[i + j] : least[j];
            largest[j] = x[i + j] > largest[j] ? x[i + j] : largest[j];
        }
    for (; i < n; i++) {
        least[0] = x[i] < least[0] ? x[i] : least[0];
        largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    }
    for (size_t j = 1; j < EXTREMES; j++) {
        least[0] = least[j] < least[0] ? least[j] : least[0];
        largest[0] = largest[j] > largest[0] ? largest[j] : largest[0];
    }
    *low = (double)least[0];
    *high = (double)largest[0];
}

/* sum of (x - mean)^2 */
static double NAME(squares)(size_t n, const REAL *x, double mean)
{
    double even = 0, odd = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        double p = (double)x[i] - mean, q = (double)x[i + 1] - mean, r = (double)x[i + 2] - mean, s = (double)x[i + 3] - mean;
        even += p * p + q * q;
        odd += r * r + s * s;
    }
    for (; i < n; i++)
        even += ((double)x[i] - mean) * ((double)x[i] - mean);
    return even + odd;
}

/* The same, counting on the way in which bin each element lies. */
static double NAME(squares_and_counts)(size_t n, const REAL *x, double mean, double low, double scale, int64_t *counts)
{
    double even = 0, odd = 0;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        double p = (double)x[i] - mean, q = (double)x[i + 1] - mean;
        even += p * p;
        odd += q * q;
        counts[(int)(((double)x[i] - low) * scale)]++;
        counts[(int)(((double)x[i + 1] - low) * scale)]++;
    }
    if (i < n) {
        even += ((double)x[i] - mean) * ((double)x[i] - mean);
        counts[(int)(((double)x[i] - low) * scale)]++;
    }
    return even + odd;
}

summary NAME(summarize)(size_t n, const REAL *x, size_t bins, int64_t *counts)
{
    summary found = {NAN, NAN, NAN, NAN};
    for (size_t bin = 0; bin <= bins; bin++)
        counts[bin] = 0;
    /* About the first element, so that nothing is rounded where all are equal. */
    found.mean = (double)x[0] + NAME(sum)(n, x, (double)x[0]) / (double)n;
    if (!isfinite(found.mean)) {
        found.mean = NAME(sum)(n, x, 0.0) / (double)n; /* again, for it may be the first element that is infinite */
        return found;
    }
    double scale = INFINITY;
    if (bins) {
        NAME(extremes)(n, x, &found.low, &found.high);
        scale = (double)bins / (found.high - found.low);
    }
    double squares;
    if (isfinite(scale)) {
        squares = NAME(squares_and_counts)(n, x, found.mean, found.low, scale, counts);
        counts[bins - 1] += counts[bins]; /* the last bin has both its ends */
    } else {
        squares = NAME(squares)(n, x, found.mean);
        counts[bins / 2] = bins ? (int64_t)n : 0; /* all are equal, or as good as */
    }
    found.std = sqrt(squares / (double)n);
    return found;
}

#undef SUFFIX
#undef REAL
#undef NAME
#undef PASTE
#undef PASTE_
