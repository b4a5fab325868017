/* fused.c: deals the fused kernels of fused.h out to threads. The loops are in fused_loops.h. */
#include "fused.h"

#include "isa.h"
#include "threads.h"

/* Below this a second thread costs more than it brings: it has to fetch from the first one's cache, too. In elements
 * of a kernel that does little with each; others count for more. */
enum { WORK_PER_THREAD = 1 << 16, MODEST = 3, HEAVY = 5 };

/* Nobody writes into another's cache line. */
enum { GRAIN = 64 };

static const fused_kernels *kernels(int precision)
{
    return precision ? isa_current()->fused_f64 : isa_current()->fused_f32;
}

/* A kernel over n things. */
static void deal(fused_kernel *kernel, const void *job, size_t n, size_t grain, size_t work)
{
    threads_deal(n, grain, 1 + work / WORK_PER_THREAD, kernel, job);
}

void fused_elementwise(const elementwise_job *job, int precision)
{
    elementwise_function f = job->function;
    int exponential = f == TANH || f == SIGMOID || (f >= ELU && f <= LOG);
    deal(kernels(precision)->elementwise, job, job->n, GRAIN, job->n * (exponential ? HEAVY : 1));
}

/* The number of channels that have GRAIN places. */
static size_t grain_of(size_t places)
{
    return places < GRAIN ? GRAIN / places : 1;
}

void fused_column_sums(const column_sums_job *job, int precision)
{
    size_t work = job->rows * job->channels * job->places;
    deal(kernels(precision)->column_sums, job, job->channels, grain_of(job->places), work);
}

void fused_batch_norm(const batch_norm_job *job, int precision)
{
    size_t work = job->rows * job->channels * job->places * MODEST;
    deal(kernels(precision)->batch_norm, job, job->channels, grain_of(job->places), work);
}

void fused_batch_norm_backward(const batch_norm_backward_job *job, int precision)
{
    size_t work = job->rows * job->channels * job->places * MODEST;
    deal(kernels(precision)->batch_norm_backward, job, job->channels, grain_of(job->places), work);
}

void fused_cross_entropy(const cross_entropy_job *job, int precision)
{
    deal(kernels(precision)->cross_entropy, job, job->rows, 1, job->rows * job->classes * HEAVY);
}

void fused_cross_entropy_backward(const cross_entropy_backward_job *job, int precision)
{
    deal(kernels(precision)->cross_entropy_backward, job, job->rows, 1, job->rows * job->classes);
}
