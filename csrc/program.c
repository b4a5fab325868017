/* program.c: calls the kernels that operations stand for. */
#include "program.h"

#include "matmul.h"
#include "sampling.h"

#include <math.h>
#include <string.h>

/* What NumPy sums up in one go. */
enum { PAIRWISE = 128 };

#define SUFFIX f32
#define REAL float
#include "program_loops.h"

#define SUFFIX f64
#define REAL double
#include "program_loops.h"

/* The function for the operation's precision. */
#define PRECISE(name) (o->precision ? name##_f64 : name##_f32)

static int product(const product_job *p, int precision)
{
    return precision ? matmul_f64(p->m, p->n, p->k, p->a, p->a_row, p->a_column, p->b, p->b_row, p->b_column, p->bias, p->c,
                                  p->c_row, p->c_column)
                     : matmul_f32(p->m, p->n, p->k, p->a, p->a_row, p->a_column, p->b, p->b_row, p->b_column, p->bias, p->c,
                                  p->c_row, p->c_column);
}

static int are_classes(const ptrdiff_t *labels, size_t rows, size_t classes)
{
    int all = 1;
    for (size_t i = 0; i < rows; i++)
        all &= (size_t)labels[i] < classes; /* what is below 0 is a very large size_t */
    return all;
}

static int cross_entropy(const total_cross_entropy_job *job, int precision)
{
    const cross_entropy_job *c = &job->each;
    if (!are_classes(c->labels, c->rows, c->classes))
        return -1;
    fused_cross_entropy(c, precision);
    *job->total = precision ? total_f64(c->rows, c->losses) : total_f32(c->rows, c->losses);
    return 0;
}

static int cross_entropy_backward(const cross_entropy_backward_job *job, int precision)
{
    if (!are_classes(job->labels, job->rows, job->classes))
        return -1;
    fused_cross_entropy_backward(job, precision);
    return 0;
}

static void scale(const scale_job *job, int precision)
{
    double scaled = *job->number * job->factor;
    if (precision)
        *(double *)job->out = scaled;
    else
        *(float *)job->out = (float)scaled;
}

static void uniform(const uniform_job *job, int precision)
{
    distribution source = {job->low, job->high, 0, 0, 0, 0, 0};
    if (precision)
        sample_uniform_f64(job->part, source, job->out);
    else
        sample_uniform_f32(job->part, source, job->out);
}

int operation_run(const operation *o)
{
    switch (o->kind) {
    case PRODUCT:
        return product(&o->product, o->precision);
    case ELEMENTWISE:
        fused_elementwise(&o->elementwise, o->precision);
        return 0;
    case ARITHMETIC:
        PRECISE(arithmetic)(&o->arithmetic);
        return 0;
    case COLUMN_SUMS:
        fused_column_sums(&o->column_sums, o->precision);
        return 0;
    case ROW_SUMS:
        PRECISE(row_sums)(&o->row_sums);
        return 0;
    case BATCH_NORM:
        fused_batch_norm(&o->batch_norm, o->precision);
        return 0;
    case BATCH_NORM_BACKWARD:
        fused_batch_norm_backward(&o->batch_norm_backward, o->precision);
        return 0;
    case FINITE:
        return PRECISE(finite)(&o->finite) ? 0 : -1;
    case STATISTICS:
        PRECISE(statistics)(&o->statistics);
        return 0;
    case CROSS_ENTROPY:
        return cross_entropy(&o->cross_entropy, o->precision);
    case CROSS_ENTROPY_BACKWARD:
        return cross_entropy_backward(&o->cross_entropy_backward, o->precision);
    case SCALE:
        scale(&o->scale, o->precision);
        return 0;
    case COPY:
        memcpy(o->copy.to, o->copy.from, o->copy.bytes);
        return 0;
    case UNIFORM:
        uniform(&o->uniform, o->precision);
        return 0;
    case MASK:
        PRECISE(mask)(&o->mask);
        return 0;
    case SGD_STEP:
        optim_sgd(&o->optim, o->precision);
        return 0;
    case ADAM_STEP:
        optim_adam(&o->optim, o->precision);
        return 0;
    case RMSPROP_STEP:
        optim_rmsprop(&o->optim, o->precision);
        return 0;
    }
    return -1;
}

size_t program_run(const operation *program, size_t n)
{
    size_t done = 0;
    while (done < n && operation_run(&program[done]) == 0)
        done++;
    return done;
}
