/* fused.h: the fused kernels, which read each number once where a chain of array operations goes over memory several
 * times: activations, column sums, batch norm, cross-entropy.
 *
 * A struct says what to do, with row-major arrays of floats or of doubles; none may overlap another, except where it
 * is the same one. The loops are in fused_loops.h, once for each instruction set and precision; fused.c deals them out
 * to threads by elements, rows or columns, never by parts of a sum. So the bits depend neither on the instruction set
 * nor on the threads. */
#ifndef MINIDL_FUSED_H
#define MINIDL_FUSED_H

#include <stddef.h>

typedef enum {
    TANH,
    TANH_BACKWARD,
    SIGMOID,
    SIGMOID_BACKWARD,
    RELU,
    RELU_BACKWARD,
    LEAKY_RELU,
    LEAKY_RELU_BACKWARD,
    ELU,
    ELU_BACKWARD,
    SILU,
    SILU_BACKWARD,
    GELU,
    GELU_BACKWARD,
    EXP,
    LOG,
} elementwise_function;

/* out = f(x), or f'(x) dy for a backward one; there x is the output of f for tanh, sigmoid and relu, its input for the
 * others. a and b: leaky_relu is x or a x, elu a x or b (e^x - 1). */
typedef struct {
    elementwise_function function;
    size_t n;
    double a, b;
    const void *x, *dy; /* dy: only for backward */
    void *out;
} elementwise_job;

/* out_j = sum_i x_ij, or sum_ip x_ijp, pairwise. A row of x has all places of its first channel, then those of the second:
 * x is rows x channels x places. A matrix has one place. */
typedef struct {
    size_t rows, channels, places;
    const void *x;
    void *out;
} column_sums_job;

/* y = weight (x - mean) / sqrt(var + eps) + bias for each channel, x as above; in training mean and var are computed, else
 * given. */
typedef struct {
    size_t rows, channels, places;
    int training;
    double eps;
    const void *x, *weight, *bias; /* weight, bias: NULL for none */
    void *mean, *var, *y;
} batch_norm_job;

/* Its gradients. dx may be NULL. */
typedef struct {
    size_t rows, channels, places;
    int training;
    double eps;
    const void *dy, *x, *weight, *mean, *var; /* weight: NULL for none */
    void *dx, *dweight, *dbias;
} batch_norm_backward_job;

/* p = softmax(x) for each row, losses = -log p[label]. The labels are below `classes`. */
typedef struct {
    size_t rows, classes;
    const void *x;
    const ptrdiff_t *labels;
    void *p, *losses;
} cross_entropy_job;

/* dx = (p - one-hot(label)) factor dy, with a dy for each row (dy_step 1) or one for all (dy_step 0). */
typedef struct {
    size_t rows, classes;
    const void *p, *dy;
    size_t dy_step;
    double factor;
    const ptrdiff_t *labels;
    void *dx;
} cross_entropy_backward_job;

/* `precision` is 0 for float32, 1 for float64. */
void fused_elementwise(const elementwise_job *job, int precision);
void fused_column_sums(const column_sums_job *job, int precision);
void fused_batch_norm(const batch_norm_job *job, int precision);
void fused_batch_norm_backward(const batch_norm_backward_job *job, int precision);
void fused_cross_entropy(const cross_entropy_job *job, int precision);
void fused_cross_entropy_backward(const cross_entropy_backward_job *job, int precision);

/* What an instruction set brings, in one precision: each kernel over the elements, columns or rows from `begin` to
 * `end`. */
typedef void fused_kernel(const void *job, size_t begin, size_t end);
typedef struct {
    fused_kernel *elementwise, *column_sums, *batch_norm, *batch_norm_backward, *cross_entropy, *cross_entropy_backward;
} fused_kernels;

#endif
