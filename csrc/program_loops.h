/* program_loops.h: the template of the small loops that only program.c has; it includes this once per precision.
 *
 * They are NumPy's in an eager step, or too short to be worth vectors; compiled without contraction, so that the bits
 * are NumPy's. */
#include "template.h"

/* root_f32, root_f64 */
static inline REAL NAME(root)(REAL x)
{
    return sizeof(REAL) == 4 ? (REAL)sqrtf((float)x) : (REAL)sqrt((double)x);
}

/* arithmetic_f32, arithmetic_f64 */
static void NAME(arithmetic)(const arithmetic_job *job)
{
    const arithmetic_job a = *job;
    const REAL *x = a.x, *y = a.y;
    REAL *out = a.out;
#define INVERSE_OF_ROOT(x, y) (1 / NAME(root)((x) + (y)))
#define PLUS(x, y) ((x) + (y))
#define MINUS(x, y) ((x) - (y))
#define TIMES(x, y) ((x) * (y))
#define OVER(x, y) ((x) / (y))
#define EACH(FUNCTION, f)                                                                                   \
    case FUNCTION:                                                                                             \
        if (a.x_column == 1 && a.y_column == 1) /* the usual case in a loop of its own, which becomes vectors */ \
            for (size_t j = 0; j < a.columns; j++)                                                             \
                out[j] = f(x[j], y[j]);                                                                        \
        else                                                                                                   \
            for (size_t j = 0; j < a.columns; j++)                                                             \
                out[j] = f(x[(ptrdiff_t)j * a.x_column], y[(ptrdiff_t)j * a.y_column]);                        \
        break;
    for (size_t i = 0; i < a.rows; i++, x += a.x_row, y += a.y_row, out += a.columns)
        switch (a.function) {
            EACH(ADD, PLUS)
            EACH(SUBTRACT, MINUS)
            EACH(MULTIPLY, TIMES)
            EACH(DIVIDE, OVER)
            EACH(INVERSE_ROOT, INVERSE_OF_ROOT)
        }
#undef EACH
#undef INVERSE_OF_ROOT
#undef PLUS
#undef MINUS
#undef TIMES
#undef OVER
}

/* pairwise_sum_f32, pairwise_sum_f64: NumPy's, of n contiguous numbers: up to PAIRWISE in eight chains, more in two
 * halves. */
static REAL NAME(pairwise_sum)(const REAL *x, size_t n)
{
    if (n < 8) {
        REAL sum = n ? x[0] : 0;
        for (size_t i = 1; i < n; i++)
            sum += x[i];
        return sum;
    }
    if (n > PAIRWISE) {
        size_t half = n / 2 - n / 2 % 8;
        return NAME(pairwise_sum)(x, half) + NAME(pairwise_sum)(x + half, n - half);
    }
    REAL s[8];
    size_t i = 8;
    for (size_t j = 0; j < 8; j++)
        s[j] = x[j];
    for (; i < n - n % 8; i += 8)
        for (size_t j = 0; j < 8; j++)
            s[j] += x[i + j];
    REAL sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

/* row_sums_f32, row_sums_f64: added to 0, as NumPy's are, so that a sum of nothing but -0 is 0. */
static void NAME(row_sums)(const row_sums_job *job)
{
    for (size_t i = 0; i < job->rows; i++)
        ((REAL *)job->out)[i] = 0 + NAME(pairwise_sum)((const REAL *)job->x + i * job->columns, job->columns);
}

/* mask_f32, mask_f64 */
static void NAME(mask)(const mask_job *job)
{
    for (size_t i = 0; i < job->n; i++)
        ((REAL *)job->mask)[i] = job->u[i] < job->share ? (REAL)job->scale : 0;
}

/* finite_f32, finite_f64: whether all are finite */
static int NAME(finite)(const finite_job *job)
{
    int finite = 1;
    for (size_t i = 0; i < job->n; i++)
        finite &= isfinite(((const REAL *)job->x)[i] * (REAL)job->factor) != 0;
    return finite;
}

/* move_f32, move_f64: running = (1 - share) running + share factor batch */
static void NAME(move)(size_t n, double share, double factor, const REAL *batch, REAL *running)
{
    const REAL kept = (REAL)(1 - share), new = (REAL)share, times = (REAL)factor;
    for (size_t j = 0; running && j < n; j++)
        running[j] = kept * running[j] + new * (batch[j] * times);
}

/* statistics_f32, statistics_f64 */
static void NAME(statistics)(const statistics_job *job)
{
    NAME(move)(job->columns, job->share, 1, job->mean, job->running_mean);
    NAME(move)(job->columns, job->share, job->unbias, job->var, job->running_var);
    if (job->tracked)
        ++*job->tracked;
}

/* total_f32, total_f64 */
static double NAME(total)(size_t n, const REAL *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum;
}

#undef SUFFIX
#undef REAL
