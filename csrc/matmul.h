/* matmul.h: C = A B, or C = bias + A B, for matrices with any strides, in float32 and float64. */
#ifndef MINIDL_MATMUL_H
#define MINIDL_MATMUL_H

#include "patches.h"

/* C (m x n) = A (m x k) B (k x n), to each row of which the n numbers of `bias` are added where it is not NULL.
 * Element (i, j) of A is a[i * a_row + j * a_column], and so on; strides count elements and may be zero or negative. C
 * must not overlap A or B, nor itself. The error of a sum over k grows like log k. Memory: packing buffers of at most
 * 2.8 MB (float32) or 5.6 MB (float64) per thread, whatever the sizes, and beyond a depth of 4,096 one more C for each
 * doubling of it. Returns 0, or -1 where there is no memory for them; C may be filled in part then. */
int matmul_f32(size_t m, size_t n, size_t k, const float *a, ptrdiff_t a_row, ptrdiff_t a_column, const float *b,
               ptrdiff_t b_row, ptrdiff_t b_column, const float *bias, float *c, ptrdiff_t c_row, ptrdiff_t c_column);
int matmul_f64(size_t m, size_t n, size_t k, const double *a, ptrdiff_t a_row, ptrdiff_t a_column, const double *b,
               ptrdiff_t b_row, ptrdiff_t b_column, const double *bias, double *c, ptrdiff_t c_row, ptrdiff_t c_column);

/* Where a sum over the depth is cut: up to LONGEST into chains of this length, of at most KC; a longer one in two halves,
 * of which this is the first. (It is part of the result: with another KC or LONGEST the bits would be others.) */
enum { KC = 512, LONGEST = 8 * KC };
size_t chain_of(size_t k);
size_t half_of(size_t k);

/* A matrix of numbers `row` and `column` apart; or the part of a matrix of patches that begins in that row and column:
 * of the transposed one, where it is `turned`. */
typedef struct {
    float *data;
    ptrdiff_t row, column;
    const patches *of; /* NULL: a plain matrix */
    int turned;
} matrix_f32;
typedef struct {
    double *data;
    ptrdiff_t row, column;
    const patches *of;
    int turned;
} matrix_f64;

/* C = A B + added, each of them a plain matrix or patches: A and B any, C and `added` those of a kernel of 1 x 1. Where
 * nothing is added, its data is NULL. The bits, the memory and what is returned are those of matmul, whose special case
 * for one row this does not have. */
int multiply_f32(size_t m, size_t n, size_t k, matrix_f32 a, matrix_f32 b, matrix_f32 added, matrix_f32 c);
int multiply_f64(size_t m, size_t n, size_t k, matrix_f64 a, matrix_f64 b, matrix_f64 added, matrix_f64 c);

#endif
