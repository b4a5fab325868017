/* passes.c: deals the passes of passes.h out to threads. The loops are in passes_loops.h. */
#include "passes.h"

#include "isa.h"
#include "threads.h"

/* Below this a second thread costs more than it brings: it has to fetch from the first one's cache, too. In elements of a pass
 * that does little with each; others count for more. */
enum { WORK_PER_THREAD = 1 << 16, MODEST = 3, HEAVY = 5 };

/* Nobody writes into another's cache line. */
enum { GRAIN = 64 };

/* A pass over n things. */
static void deal(int kind, int precision, const void *job, size_t n, size_t grain, size_t work)
{
    threads_deal(n, grain, 1 + work / WORK_PER_THREAD, isa_current()->passes[kind][precision], job);
}

void pass_elementwise(const elementwise_job *job, int precision)
{
    elementwise_function f = job->function;
    int exponential = f == TANH || f == SIGMOID || (f >= ELU && f <= LOG);
    deal(PASS_ELEMENTWISE, precision, job, job->n, GRAIN, job->n * (exponential ? HEAVY : 1));
}

void pass_column_sums(const column_sums_job *job, int precision)
{
    deal(PASS_COLUMN_SUMS, precision, job, job->columns, GRAIN, job->rows * job->columns);
}

void pass_batch_norm(const batch_norm_job *job, int precision)
{
    deal(PASS_BATCH_NORM, precision, job, job->columns, GRAIN, job->rows * job->columns * MODEST);
}

void pass_batch_norm_backward(const batch_norm_backward_job *job, int precision)
{
    deal(PASS_BATCH_NORM_BACKWARD, precision, job, job->columns, GRAIN, job->rows * job->columns * MODEST);
}

void pass_cross_entropy(const cross_entropy_job *job, int precision)
{
    deal(PASS_CROSS_ENTROPY, precision, job, job->rows, 1, job->rows * job->classes * HEAVY);
}

void pass_cross_entropy_backward(const cross_entropy_backward_job *job, int precision)
{
    deal(PASS_CROSS_ENTROPY_BACKWARD, precision, job, job->rows, 1, job->rows * job->classes);
}

void pass_sgd(const sgd_job *job, int precision)
{
    size_t n = 0;
    for (size_t i = 0; i < job->count; i++)
        n += job->tensors[i].n;
    deal(PASS_SGD, precision, job, n, GRAIN, n);
}
