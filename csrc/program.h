/* program.h: calls of kernels as data, so that many of them are one call.
 *
 * An operation is a kind and that kind's job, which says what to read and where to write. A kernel that Python calls
 * is one operation; a captured step (minidl/capture/) is an array of them, which runs from the first to the last. So
 * both are the same calls, with the same bits. An operation that fails has changed nothing but its own results, and
 * those after it do not run: a program that changes what it was given only in its last operations, which cannot fail,
 * does all or nothing. */
#ifndef MINIDL_PROGRAM_H
#define MINIDL_PROGRAM_H

#include "fused.h"
#include "isa.h"
#include "optim.h"

/* C = A B (+ bias), as in matmul.h. Fails where there is no memory. */
typedef struct {
    size_t m, n, k;
    const void *a, *b, *bias;
    ptrdiff_t a_row, a_column, b_row, b_column;
    void *c;
    ptrdiff_t c_row, c_column;
} product_job;

/* out_ij = x_ij + y_ij and so on, or 1 / sqrt(x_ij + y_ij); the strides of x and y count elements, and are 0 along what is repeated. */
typedef enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, INVERSE_ROOT } arithmetic_function;
typedef struct {
    arithmetic_function function;
    size_t rows, columns;
    const void *x, *y;
    ptrdiff_t x_row, x_column, y_row, y_column;
    void *out;
} arithmetic_job;

/* out_i = the sum of row i, pairwise, with NumPy's bits */
typedef struct {
    size_t rows, columns;
    const void *x;
    void *out;
} row_sums_job;

/* out = number factor */
typedef struct {
    const double *number;
    double factor;
    void *out;
} scale_job;

typedef struct {
    size_t bytes;
    const void *from;
    void *to;
} copy_job;

/* mask = scale where u < share, else 0 */
typedef struct {
    size_t n;
    double share, scale;
    const double *u;
    void *mask;
} mask_job;

/* n samples, uniform on [low, high) */
typedef struct {
    draw part;
    double low, high;
    void *out;
} uniform_job;

/* Fails where an x_i factor is not finite. */
typedef struct {
    size_t n;
    double factor;
    const void *x;
} finite_job;

/* running = (1 - share) running + share batch, where the batch's variance becomes the unbiased one; tracked += 1.
 * Each may be NULL. */
typedef struct {
    size_t columns;
    double share, unbias;
    const void *mean, *var;
    void *running_mean, *running_var;
    int64_t *tracked;
} statistics_job;

/* cross_entropy_job of fused.h, and the sum of its losses, in float64 and one after the other. Fails where a label is no
 * class; so does the backward one. */
typedef struct {
    cross_entropy_job each;
    double *total;
} total_cross_entropy_job;

typedef enum {
    PRODUCT,
    ELEMENTWISE,
    ARITHMETIC,
    COLUMN_SUMS,
    ROW_SUMS,
    BATCH_NORM,
    BATCH_NORM_BACKWARD,
    FINITE,
    STATISTICS,
    CROSS_ENTROPY,
    CROSS_ENTROPY_BACKWARD,
    SCALE,
    COPY,
    UNIFORM,
    MASK,
    SGD_STEP,
    ADAM_STEP,
    RMSPROP_STEP,
} operation_kind;

/* `precision` is 0 for float32, 1 for float64. */
typedef struct {
    operation_kind kind;
    int precision;
    union {
        product_job product;
        elementwise_job elementwise;
        arithmetic_job arithmetic;
        column_sums_job column_sums;
        row_sums_job row_sums;
        batch_norm_job batch_norm;
        batch_norm_backward_job batch_norm_backward;
        finite_job finite;
        statistics_job statistics;
        total_cross_entropy_job cross_entropy;
        cross_entropy_backward_job cross_entropy_backward;
        scale_job scale;
        copy_job copy;
        uniform_job uniform;
        mask_job mask;
        optim_job optim;
    };
} operation;

/* Returns 0, or -1 where it fails. */
int operation_run(const operation *o);

/* Runs n operations, or as many as do not fail; returns how many. */
size_t program_run(const operation *program, size_t n);

#endif
