/* pooling_loops.h: the template of the pooling kernels, for planes `begin` ... `end`; pooling.c includes it once per
 * precision. */
#include "template.h"

/* max_pool_f32, max_pool_f64 */
static void NAME(max_pool)(const void *job, size_t begin, size_t end)
{
    const pooling_job *s = job;
    const windows rows = s->rows, columns = s->columns;
    const ptrdiff_t width = (ptrdiff_t)columns.size;
    for (size_t plane = begin; plane < end; plane++) {
        const REAL *x = (const REAL *)s->x + plane * rows.size * columns.size;
        REAL *y = (REAL *)s->y + plane * rows.windows * columns.windows;
        ptrdiff_t *places = s->places + plane * rows.windows * columns.windows;
        for (size_t a = 0; a < rows.windows; a++)
            for (size_t b = 0; b < columns.windows; b++) {
                ptrdiff_t place = rows.begin[a] * width + columns.begin[b];
                REAL most = x[place];
                for (ptrdiff_t i = rows.begin[a]; i < rows.end[a]; i += rows.step)
                    for (ptrdiff_t here = i * width + columns.begin[b]; here < i * width + columns.end[b]; here += columns.step) {
                        const REAL number = x[here];
                        /* Above `most`, or NaN. All of it is computed, for a jump could not be foreseen. */
                        const int better = (!(number <= most)) & ((most == most) | (number != number));
                        most = better ? number : most;
                        place = better ? here : place;
                    }
                *y++ = most;
                *places++ = place;
            }
    }
}

/* max_pool_backward_f32, max_pool_backward_f64 */
static void NAME(max_pool_backward)(const void *job, size_t begin, size_t end)
{
    const pooling_job *s = job;
    const size_t size = s->rows.size * s->columns.size, out = s->rows.windows * s->columns.windows;
    for (size_t plane = begin; plane < end; plane++) {
        REAL *dx = (REAL *)s->y + plane * size;
        memset(dx, 0, size * sizeof(REAL));
        for (size_t i = plane * out; i < (plane + 1) * out; i++)
            dx[s->places[i]] += ((const REAL *)s->x)[i];
    }
}

/* mean_pool_f32, mean_pool_f64 */
static void NAME(mean_pool)(const void *job, size_t begin, size_t end)
{
    const pooling_job *s = job;
    for (size_t plane = begin; plane < end; plane++) {
        const REAL *x = (const REAL *)s->x + plane * s->rows.size * s->columns.size;
        REAL *y = (REAL *)s->y + plane * s->rows.windows * s->columns.windows;
        for (size_t a = 0; a < s->rows.windows; a++)
            for (size_t b = 0; b < s->columns.windows; b++) {
                REAL sum = 0;
                for (ptrdiff_t i = s->rows.begin[a]; i < s->rows.end[a]; i++)
                    for (ptrdiff_t j = s->columns.begin[b]; j < s->columns.end[b]; j++)
                        sum += x[i * (ptrdiff_t)s->columns.size + j];
                *y++ = sum / (REAL)(s->rows.count[a] * s->columns.count[b]);
            }
    }
}

/* mean_pool_backward_f32, mean_pool_backward_f64 */
static void NAME(mean_pool_backward)(const void *job, size_t begin, size_t end)
{
    const pooling_job *s = job;
    const size_t size = s->rows.size * s->columns.size;
    for (size_t plane = begin; plane < end; plane++) {
        const REAL *dy = (const REAL *)s->x + plane * s->rows.windows * s->columns.windows;
        REAL *dx = (REAL *)s->y + plane * size;
        memset(dx, 0, size * sizeof(REAL));
        for (size_t a = 0; a < s->rows.windows; a++)
            for (size_t b = 0; b < s->columns.windows; b++) {
                REAL each = *dy++ / (REAL)(s->rows.count[a] * s->columns.count[b]);
                for (ptrdiff_t i = s->rows.begin[a]; i < s->rows.end[a]; i++)
                    for (ptrdiff_t j = s->columns.begin[b]; j < s->columns.end[b]; j++)
                        dx[i * (ptrdiff_t)s->columns.size + j] += each;
            }
    }
}

#undef SUFFIX
#undef REAL
