/* pooling.c: deals the pooling kernels out to threads, some planes to each. Plain C for all instruction sets: pooling
 * moves more than it computes. */
#include "pooling.h"

#include "threads.h"

#include <string.h>

#define SUFFIX f32
#define REAL float
#include "pooling_loops.h"

#define SUFFIX f64
#define REAL double
#include "pooling_loops.h"

/* Below this many numbers a second thread costs more than it brings. */
enum { WORK_PER_THREAD = 1 << 16 };

static void deal(void (*f32)(const void *, size_t, size_t), void (*f64)(const void *, size_t, size_t), const pooling_job *job,
                 int precision)
{
    size_t work = job->planes * job->rows.size * job->columns.size;
    threads_deal(job->planes, 1, 1 + work / WORK_PER_THREAD, precision ? f64 : f32, job);
}

void max_pool(const pooling_job *job, int precision)
{
    deal(max_pool_f32, max_pool_f64, job, precision);
}

void max_pool_backward(const pooling_job *job, int precision)
{
    deal(max_pool_backward_f32, max_pool_backward_f64, job, precision);
}

void mean_pool(const pooling_job *job, int precision)
{
    deal(mean_pool_f32, mean_pool_f64, job, precision);
}

void mean_pool_backward(const pooling_job *job, int precision)
{
    deal(mean_pool_backward_f32, mean_pool_backward_f64, job, precision);
}
